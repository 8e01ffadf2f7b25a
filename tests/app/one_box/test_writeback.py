"""What was written to a table's file is on its way to the disk soon."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import pytest

from postavka.app.one_box.writeback import EarlyWriter

SOON_SECONDS = 1.5
"""Left alone, the system begins after 30, or after 2 with the settings in deploy/linux."""
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
        pytest.skip("this kernel has no call that counts changed pages (cachestat, since Linux 6.5)")
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
        pytest.skip("the file system of this folder keeps no changed pages (tmpfs, or written at once)")
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


def test_what_is_no_file_of_a_table_is_let_be(tmp_path: Path):
    """The folder may be another user's."""
    outside = tmp_path / "secret"
    outside.write_text("x")
    ours, theirs = tmp_path / "base" / "16384", tmp_path / "base" / "1"
    for folder in (ours, theirs):
        folder.mkdir(parents=True)
    (theirs / "1259").write_text("of a database that does not change")
    (ours / "1259").symlink_to(outside)
    os.mkfifo(ours / "2608")
    (tmp_path / "base" / "16385").symlink_to(theirs)
    assert EarlyWriter(tmp_path / "base").begin() == 0
    (ours / "2609").write_text("a table")
    assert EarlyWriter(tmp_path / "base").begin() == 1


def test_a_folder_that_is_not_there_is_no_trouble(tmp_path: Path):
    assert EarlyWriter(tmp_path / "none").begin() == 0
