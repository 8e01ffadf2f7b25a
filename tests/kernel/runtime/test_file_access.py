"""What lies in a home folder is its owner's: also in one that was made when everybody could read it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from postavka.kernel.runtime.embedded import EmbeddedServers, Endpoints
from postavka.kernel.runtime.file_access import StrangeFolder, close_home, let_pass, write_secret

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="to be another user one has to be root")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_home_of_before_is_closed_and_only_the_way_to_the_database_is_left(tmp_path: Path):
    home, elsewhere = tmp_path / "home", tmp_path / "jars"
    for folder in (home, home / "kafka", home / "log", home / "postgres", elsewhere):
        folder.mkdir()
        folder.chmod(0o755)
    (home / "ports.json").write_text("{}")
    (home / "run.sh").touch(0o755)
    (home / "jars").symlink_to(elsewhere)
    close_home(home)
    way = 0o710 if os.geteuid() == 0 else 0o700
    found = {each.name: mode(each) for each in home.iterdir()}
    assert found == {
        "kafka": 0o700, "log": 0o700, "postgres": way, "ports.json": 0o600, "run.sh": 0o700, "jars": 0o755
    }  # fmt: skip
    assert mode(home) == way
    close_home(home)
    assert mode(home) == way


def test_everybodys_folder_stays_everybodys(tmp_path: Path):
    tmp_path.chmod(0o1777)
    close_home(tmp_path)
    assert mode(tmp_path) == 0o777


def test_a_link_is_no_folder_of_ours(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StrangeFolder, match="is a link"):
        let_pass(tmp_path / "link")


@as_root
def test_nor_is_what_another_user_has_made(tmp_path: Path):
    os.chown(tmp_path, 1, -1)
    with pytest.raises(StrangeFolder, match="belongs to another user"):
        let_pass(tmp_path)


@as_root
def test_another_users_folder_is_no_home_and_stays_as_it_is(tmp_path: Path):
    os.chown(tmp_path, 1, -1)
    with pytest.raises(StrangeFolder, match="belongs to another user"):
        EmbeddedServers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_never_a_link(tmp_path: Path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StrangeFolder, match="is a link"):
        EmbeddedServers(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_secret_is_never_written_through_a_link(tmp_path: Path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "password").symlink_to(precious)
    write_secret(tmp_path / "password", "secret")
    assert precious.read_text() == "precious"
    assert (tmp_path / "password").read_text() == "secret"
    assert mode(tmp_path / "password") == 0o600


@as_root
def test_another_user_sees_nothing_of_servers_that_run(servers: Endpoints, home: Path):
    look = f"import os; os.listdir({str(home)!r})"
    for user in ("daemon", "nobody"):
        seen = subprocess.run(
            [sys.executable, "-I", "-c", look], user=user, group=user if user == "daemon" else "nogroup",
            extra_groups=[], cwd="/", capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "PermissionError" in seen.stderr, user
    assert [name for name in ("kafka", "log", "run") if mode(home / name) & 0o077] == []
    records = [*(home / "kafka" / "data").rglob("*.log"), *(home / "log").glob("*.log")]
    assert records
    assert [each.name for each in records if mode(each) & 0o077] == []
