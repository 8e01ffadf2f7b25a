"""Clocks that can be wrong: each Python service reads its wall clock through libfaketime, and the offset from a file.

Monotonic clocks stay right, as they do on a machine whose time is set. The servers' clocks stay right.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import libfaketime

LIBRARY = Path(str(libfaketime.__file__)).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
"""Of the package libfaketime. Debian's 0.9.10 knows no absolute sleeps: with it every `time.sleep` of Python fails."""
JUMPS = ("-1d", "-1h", "-90", "-2", "+2", "+90", "+50m", "+3h", "+1d")


class Clocks:
    """One file of an offset for each service."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def environment(self, service: str) -> dict[str, str]:
        """What a service must be started with."""
        self.set(service, "+0")
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file(service)),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, service: str, offset: str) -> None:
        """Its clock is wrong by so much from now on (within a second)."""
        fresh = self._file(service).with_suffix(".new")
        fresh.write_text(offset + "\n")
        fresh.replace(self._file(service))

    def jump(self, service: str, chance: Random) -> str:
        """Wrong by something; returns by how much."""
        offset = chance.choice(JUMPS)
        self.set(service, offset)
        return offset

    def _file(self, service: str) -> Path:
        return self._folder / service
