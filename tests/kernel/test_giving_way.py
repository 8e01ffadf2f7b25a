"""Who gives way when the processor is short: programs among each other, and PostgreSQL's sessions with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from postavka.runtime import share
from postavka.runtime.share import Share, undivided
from postavka.store.giving_way import MOST

OPEN = """
import sys
from postavka.projection.staging import connect
from postavka.store.datastore import SchemaDatastore
first = connect(sys.argv[1], "toy", "toy")
with SchemaDatastore(sys.argv[1], "toy").get_connection() as second:
    print(first.info.backend_pid, second.info.backend_pid, flush=True)
    sys.stdin.read()
"""
"""The connection of a read model, and one of a stage's pool."""


@pytest.mark.parametrize(
    ("gives_way", "niceness", "of_sessions"), [("true", 0, 0), ("true", 7, 7), ("true", 19, MOST), ("false", 7, 0)]
)
def test_sessions_give_way_as_the_program_they_work_for(
    database: str, gives_way: str, niceness: int, of_sessions: int
) -> None:
    """Not where PostgreSQL was not started with us: that number may be any process there."""
    with subprocess.Popen(
        ["nice", "-n", str(niceness), sys.executable, "-c", OPEN, database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "POSTAVKA_DATABASE_GIVES_WAY": gives_way},
    ) as program:
        assert program.stdout is not None
        sessions = [psutil.Process(int(pid)) for pid in program.stdout.readline().split()]
        assert [(each.name(), each.nice()) for each in sessions] == [("postgres", of_sessions)] * 2
        program.communicate()


def test_no_group_is_made_where_niceness_counts_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switched_off = tmp_path / "autogroup"
    switched_off.write_text("0\n")
    monkeypatch.setattr(share, "AUTOGROUP", switched_off)
    assert undivided() is None


def test_no_group_is_made_by_who_is_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _control_groups(tmp_path, monkeypatch, "2:cpu,cpuacct:/system.slice/postavka.service\n0::/\n")
    assert undivided() is None
    Share("postavka-test").close()
    assert list(root.iterdir()) == []


def test_no_group_is_made_where_a_container_has_a_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _control_groups(tmp_path, monkeypatch, "0::/\n", version="cgroup2")
    assert undivided() == root
    (root / "cgroup.type").write_text("domain\n")
    assert undivided() is None


@pytest.mark.parametrize(
    ("groups", "version"), [("3:cpuset:/\n2:cpu,cpuacct:/\n0::/\n", "cgroup"), ("0::/\n", "cgroup2")]
)
def test_a_group_is_entered_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, version: str
) -> None:
    root = _control_groups(tmp_path, monkeypatch, groups, version)
    (root / "cgroup.subtree_control").write_text("memory\n")
    shared = Share("postavka-test")
    assert (root / "postavka-test" / "cgroup.procs").read_text() == str(os.getpid())
    assert (root / "cgroup.subtree_control").read_text() == "+cpu"
    (root / "postavka-test" / "cgroup.procs").unlink()  # the kernel's own
    shared.close()
    assert (root / "cgroup.procs").read_text() == str(os.getpid())
    assert not (root / "postavka-test").exists()


def test_who_may_make_no_group_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _control_groups(tmp_path, monkeypatch, "1:cpu:/\n")
    root.rmdir()
    root.write_text("not a folder")
    Share("postavka-test").close()


@pytest.mark.skipif(undivided() is None or os.geteuid() != 0, reason="niceness counts here, or no group may be made")
def test_in_a_group_two_sessions_give_way_to_each_other() -> None:
    shared = Share("postavka-test-giving-way")
    try:
        busy = [
            subprocess.Popen(
                ["nice", "-n", niceness, "taskset", "-c", "0", sys.executable, "-c", "while True: pass"],
                start_new_session=True,
            )
            for niceness in ("0", "19")
        ]
        try:
            first, last = (psutil.Process(each.pid) for each in busy)
            while sum(first.cpu_times()[:2]) < 1.0:
                pass
            assert sum(last.cpu_times()[:2]) < sum(first.cpu_times()[:2]) / 3, "else they have the same"
        finally:
            for each in busy:
                each.kill()
                each.wait()
    finally:
        shared.close()
    assert not Path("/sys/fs/cgroup/cpu/postavka-test-giving-way").exists()


def _control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, version: str = "cgroup") -> Path:
    """A kernel that divides by sessions, and says this of our groups."""
    root = tmp_path / "cpu"
    root.mkdir()
    for name, said in (
        ("AUTOGROUP", "1\n"),
        ("GROUPS", groups),
        ("MOUNTS", f"cgroup {root} {version} rw,relatime,cpu,cpuacct 0 0\n"),
    ):
        (tmp_path / name).write_text(said)
        monkeypatch.setattr(share, name, tmp_path / name)
    return root
