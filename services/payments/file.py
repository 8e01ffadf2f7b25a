"""The bytes of a statement's file: a regular file, of a size that is read at once.

It is looked at when it is open, so that it can't be exchanged between the look and the reading.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from services.payments.statement import LARGEST_FILE, BrokenStatement, StatementProblem, too_large


def read_file(path: Path, *, follow_links: bool) -> bytes:
    """All bytes of a file. `follow_links=False`: what is a symbolic link is not opened, wherever it leads.

    Raises `BrokenStatement` for what is no file or too large, and `OSError`.
    """
    # Without O_NONBLOCK a pipe of this name would be waited for.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    try:
        opened = os.open(path, flags)
    except OSError:
        if not follow_links and path.is_symlink():
            raise BrokenStatement([StatementProblem(0, "Это ссылка, а не файл: положите сам файл.")]) from None
        raise
    with os.fdopen(opened, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise BrokenStatement([StatementProblem(0, "Это не файл.")])
        data = file.read(LARGEST_FILE + 1) if found.st_size <= LARGEST_FILE else b""
    if found.st_size > LARGEST_FILE or len(data) > LARGEST_FILE:
        raise too_large()
    return data
