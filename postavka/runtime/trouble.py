"""What can go wrong with the servers themselves, told so that the person at the terminal knows what to do."""

from __future__ import annotations

from pathlib import Path


class ServerTrouble(RuntimeError):
    """The servers could not be brought up; the message says why and what to do. Parent of all errors here."""


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error's message."""
    if not log.exists():
        return f"({log} does not exist)"
    return "\n".join([f"the end of {log}:", *log.read_text("utf-8", errors="replace").splitlines()[-lines:]])
