"""Who gives way when the processor is short: programs among each other, and PostgreSQL's sessions with them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from postavka.app.one_box import cgroup
from postavka.app.one_box.cgroup import Division, ProcessorShare, division
from postavka.app.one_box.priorities import SessionPriorities, launched_by
from postavka.kernel.store.session import KeptSession


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="the PostgreSQL of DATABASE_URL may be on another machine")
@pytest.mark.parametrize(
    ("application", "niceness"), [("postavka-billing", 5), ("postavka-notices", 10), ("postavka-statements", 10)]
)
def test_a_session_gives_way_as_the_service_that_opened_it(database: str, application: str, niceness: int) -> None:
    with (
        psycopg.connect(database, application_name=application) as session,
        psycopg.connect(database, application_name="somebody") as other,
    ):
        process = psutil.Process(session.info.backend_pid)
        before = process.nice()
        priorities = SessionPriorities(database)
        priorities.start()
        try:
            deadline = time.monotonic() + 20
            while process.nice() == before and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            priorities.stop()
        assert process.nice() == niceness
        assert psutil.Process(other.info.backend_pid).nice() == before


def test_who_waits_at_a_screen_goes_first_where_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert [launched_by(each) for each in ("approval", "shipping", "notices")] == [
        ("nice", "-n", "-10"),
        (),
        ("nice", "-n", "19"),
    ]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert launched_by("approval") == ()


def test_a_session_is_kept_until_it_breaks(database: str) -> None:
    kept = KeptSession(database, application_name="kept")
    with kept as first:
        pass
    with kept as again:
        assert again is first
    for what in ("SELECT 1 / 0", "SELECT pg_terminate_backend(pg_backend_pid())"):
        with pytest.raises(psycopg.Error), kept as broken:
            broken.execute(what)
        assert broken.closed
        with kept as fresh:
            assert fresh is not broken
            assert fresh.execute("SELECT 1").fetchone() == (1,)
    with psycopg.connect(database) as other, kept as ended:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (ended.info.backend_pid,))
    with kept as fresh:  # which nobody was told of
        assert fresh.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(ValueError, match="ours"), kept as whole:
        raise ValueError("ours")
    assert not whole.closed
    kept.close()
    assert whole.closed


def test_no_group_is_made_where_niceness_counts_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _control_groups(tmp_path, monkeypatch, "1:cpu:/\n")
    assert division() == Division(root, in_root=True)
    (tmp_path / "AUTOGROUP").write_text("0\n")
    assert division() is None


def test_no_group_is_made_by_who_is_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _control_groups(tmp_path, monkeypatch, "2:cpu,cpuacct:/system.slice/postavka.service\n0::/\n")
    assert division() is None
    ProcessorShare("postavka-test").close()
    assert list(root.iterdir()) == []


def test_a_group_of_version_2_has_a_share_only_if_groups_are_given_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _control_groups(tmp_path, monkeypatch, "0::/system.slice/postavka.service\n", "cgroup2")
    assert division() == Division(root, in_root=False), "systemd's place is not ours to leave"
    ProcessorShare("postavka-test").close()
    assert list(root.iterdir()) == []
    (root / "cgroup.subtree_control").write_text("cpu memory\n")
    assert division() is None


def test_what_a_container_takes_for_the_root_is_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _control_groups(tmp_path, monkeypatch, "0::/\n", "cgroup2")
    (root / "cgroup.type").write_text("domain\n")
    assert division() == Division(root, in_root=False)
    (root / "cgroup.controllers").write_text("cpu memory\n")
    assert division() is None


@pytest.mark.parametrize(
    ("groups", "version"), [("3:cpuset:/\n2:cpu,cpuacct:/\n0::/\n", "cgroup"), ("0::/\n", "cgroup2")]
)
def test_a_group_is_entered_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, version: str
) -> None:
    root = _control_groups(tmp_path, monkeypatch, groups, version)
    handed_down = root / "cgroup.subtree_control"
    if version == "cgroup2":
        handed_down.write_text("memory\n")
    shared = ProcessorShare("postavka-test")
    assert (root / "postavka-test" / "cgroup.procs").read_text() == str(os.getpid())
    assert handed_down.exists() == (version == "cgroup2")
    assert not handed_down.exists() or handed_down.read_text() == "+cpu"
    (root / "postavka-test" / "cgroup.procs").unlink()  # the kernel's own
    shared.close()
    assert (root / "cgroup.procs").read_text() == str(os.getpid())
    assert not (root / "postavka-test").exists()


def test_who_may_make_no_group_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _control_groups(tmp_path, monkeypatch, "1:cpu:/\n")
    root.rmdir()
    root.write_text("not a folder")
    ProcessorShare("postavka-test").close()


BUSY = """
import os, subprocess, sys, time, psutil
from pathlib import Path
from postavka.app.one_box.cgroup import ProcessorShare, division
root = Path("/sys/fs/cgroup/cpu/cgroup.procs")  # of version 1
if root.exists():
    root.write_text(str(os.getpid()))
if division() is None or not division().in_root:
    print("in a group already")
    sys.exit()
folder = division().root / f"postavka-test-{os.getpid()}"
shared = ProcessorShare(folder.name)
processor = str(min(os.sched_getaffinity(0)))
loop = ["taskset", "-c", processor, sys.executable, "-c", "while True: pass"]
busy = [subprocess.Popen(["nice", "-n", n, *loop], start_new_session=True) for n in ("0", "19")]
try:
    spent = lambda: [sum(psutil.Process(each.pid).cpu_times()[:2]) for each in busy]
    def until(enough):
        while not enough():
            assert [each.poll() for each in busy] == [None, None]
            time.sleep(0.01)
    until(lambda: min(spent()) > 0.05)  # both have begun: one that still reads its modules leaves the other alone
    began = spent()
    until(lambda: spent()[0] - began[0] > 1.0)
    print(*(now - before for now, before in zip(spent(), began)), folder.is_dir())
finally:
    for each in busy:
        each.kill()
        each.wait()
    shared.close()
assert not folder.exists()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a control group")
def test_in_a_group_sessions_give_way_to_each_other() -> None:
    """In a process of its own, back in the root: the tests are in the group of their servers."""
    told = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, timeout=120, check=True)
    if told.stdout.startswith("in a group"):
        pytest.skip("the tests are in a control group already (systemd, a container), or this kernel has none")
    first, last, is_there = told.stdout.split()
    assert is_there == "True"
    assert float(last) < float(first) / 3, "else they have the same"


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
        monkeypatch.setattr(cgroup, name, tmp_path / name)
    monkeypatch.setattr(cgroup, "GROUPS", str(tmp_path / "GROUPS"))
    return root
