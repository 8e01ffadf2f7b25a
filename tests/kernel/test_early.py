"""What was written to a table's file is on its way to the disk soon."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import pytest

from postavka.runtime.early import EarlyWriter

SOON_SECONDS = 10.0
"""Left alone, the system begins after 30."""
CACHESTAT = 451
"""System call of Linux 6.5: how many pages of a file are in memory, changed, being written."""


def changed_pages(path: Path) -> int:
    """Pages that nobody has begun to write. Skips the test where they are not told, or there is no disk below."""
    found = (ctypes.c_uint64 * 5)()
    opened = os.open(path, os.O_RDONLY)
    try:
        told = ctypes.CDLL(None).syscall(CACHESTAT, opened, (ctypes.c_uint64 * 2)(0, 0), found, 0)
    finally:
        os.close(opened)
    if told != 0:
        pytest.skip("this system does not tell what lies in its cache")
    return found[1]


def is_begun(path: Path) -> bool:
    """Within a time in which the system would not have."""
    deadline = time.monotonic() + SOON_SECONDS
    while changed_pages(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    return changed_pages(path) == 0


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "16384").mkdir()
    path = tmp_path / "16384" / "2608"
    path.write_bytes(os.urandom(1_000_000))
    if changed_pages(path) == 0:
        pytest.skip("files of this folder are written at once, or never")
    return path


def test_what_was_changed_is_begun_once(table: Path):
    writer = EarlyWriter(table.parent.parent)
    assert writer.begin() == 1
    assert is_begun(table)
    os.utime(table, (0, 0))
    assert writer.begin() == 0
    with table.open("ab") as more:
        more.write(b"x" * 10_000)
    assert writer.begin() == 1


def test_it_works_beside_until_it_is_stopped(table: Path):
    writer = EarlyWriter(table.parent.parent)
    writer.start()
    try:
        assert is_begun(table)
    finally:
        writer.stop()
        writer.join(10)
    assert not writer.is_alive()


def test_a_folder_that_is_not_there_is_no_trouble(tmp_path: Path):
    assert EarlyWriter(tmp_path / "none").begin() == 0
