"""What was looked at, what was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and what to do if that is wrong."""

    name: str
    status: Literal["ok", "wrong", "unknown"]
    found: str
    todo: str = ""


def not_looked_at(name: str, server: str) -> Check:
    """What can't be known while a server is away."""
    return Check(name, "unknown", f"not looked at: {server} does not answer")


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first few of them, in a line."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
