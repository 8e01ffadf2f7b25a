"""Begins early to write what Linux would write later, all at once.

The system keeps what was written to a file for half a minute, and every five seconds writes what has become that old.
After a busy minute that is some hundred megabytes, and each commit waits behind them for up to a third of a second.
(The machine's own setting for it is in docs/one-machine.md.) Most of it is pages by which PostgreSQL makes its tables
larger. It has what it writes itself begin early (`…_flush_after`), but not these.

Nothing is on the disk for good after this: for that PostgreSQL has its log and its checkpoints.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SECONDS = 0.5
BEGIN_TO_WRITE = 2
"""`SYNC_FILE_RANGE_WRITE` (sync_file_range(2)): begin, and wait for nothing."""
SLACK_SECONDS = 0.1
"""A file's time is that of the system's last tick."""
FIRST_OF_OURS = 16_384
"""Databases with smaller numbers are PostgreSQL's own, and do not change."""
OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
"""The folder may belong to another user than ours: no link is followed, and no pipe waited for."""

Begin = Callable[[int], object]


class EarlyWriter(threading.Thread):
    """The early writer for the tables of all databases in a folder, twice a second. Does nothing where the system has
    no such call."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="early writer", daemon=True)
        self._folder = folder
        self._begin = _begin_to_write()
        self._seen = 0.0
        """Until when all changes were looked at, by the clock."""
        self._stopping = threading.Event()

    def run(self) -> None:
        """Begin every few seconds until `stop`; ends at once where the kernel has no such call."""
        while self._begin is not None and not self._stopping.wait(SECONDS):
            self.begin()

    def begin(self) -> int:
        """Begin to write what was changed since the last call; returns of how many files."""
        now, begun = time.time(), 0
        for path in self._changed():
            with contextlib.suppress(OSError):  # it may be gone
                opened = os.open(path, OPEN)
                try:
                    if self._begin is not None:
                        self._begin(opened)
                        begun += 1
                finally:
                    os.close(opened)
        self._seen = now - SLACK_SECONDS
        return begun

    def _changed(self) -> Iterator[str]:
        for folder in _in(self._folder):
            if folder.name.isdigit() and int(folder.name) >= FIRST_OF_OURS and folder.is_dir(follow_symlinks=False):
                for each in _in(folder.path):
                    with contextlib.suppress(OSError):  # it may be gone
                        found = each.stat(follow_symlinks=False)
                        if stat.S_ISREG(found.st_mode) and found.st_mtime >= self._seen:
                            yield each.path

    def stop(self) -> None:
        """It may be at work for a moment longer."""
        self._stopping.set()


def _in(folder: Path | str) -> list[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        return list(found)
    return []


def _begin_to_write() -> Begin | None:
    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is None:
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return lambda opened: call(opened, 0, 0, BEGIN_TO_WRITE)
