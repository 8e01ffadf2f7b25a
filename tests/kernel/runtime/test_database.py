"""The server has the settings that it was made with, and lies where nobody but root could have put anything before."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from postavka.kernel.runtime import database
from postavka.kernel.runtime.database import SETTINGS, DatabaseServer, NoDatabaseServer, memory_mb, shared_buffers_mb
from postavka.kernel.runtime.embedded import Endpoints


@pytest.mark.parametrize(
    ("memory", "pages"), [(512, 128), (2_000, 200), (8_000, 800), (24_000, 2_048), (512_000, 2_048)]
)
def test_a_tenth_of_the_memory_is_for_pages_within_bounds(memory: int, pages: int):
    assert shared_buffers_mb(memory) == pages


def test_a_container_has_the_memory_that_it_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    limit, none = tmp_path / "memory.max", tmp_path / "memory.limit_in_bytes"
    monkeypatch.setattr(database, "MEMORY_LIMITS", (limit, none))
    of_machine = memory_mb()
    limit.write_text("max\n")
    assert memory_mb() == of_machine
    limit.write_text(f"{300 * 1024**2}\n")
    assert memory_mb() == 300


def test_they_are_in_effect(servers: Endpoints):
    with psycopg.connect(servers.database_url) as session:
        applied = "SELECT name, setting FROM pg_file_settings WHERE applied AND error IS NULL"
        found = dict(session.execute(applied).fetchall())
    wanted = SETTINGS | {"shared_buffers": f"{shared_buffers_mb(memory_mb())}MB"}
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand-ins for the system's folders: where only root makes folders, and where everybody does."""
    if os.geteuid() != 0:
        pytest.skip("only root starts PostgreSQL as another user")
    folder = Path(tempfile.mkdtemp(prefix="postavka-tests-"))
    folder.chmod(0o755)
    monkeypatch.setattr(database, "SYSTEM", folder / "lib")
    monkeypatch.setattr(database, "FORESEEABLE", folder / "tmp")
    (folder / "lib").mkdir(mode=0o755)
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def foreseeable(system: Path, server: DatabaseServer) -> Path:
    """The folder that releases before 0.1.0 have used, without a look at who had made it."""
    name = hashlib.sha256(str(server.folder.resolve()).encode()).hexdigest()[:12]
    return system / "tmp" / f"postavka-{name}"


def closed(tmp_path: Path) -> DatabaseServer:
    """A server below a folder that is closed to the user that it runs as."""
    (tmp_path / "closed").mkdir(mode=0o700)
    return DatabaseServer(tmp_path / "closed" / "postgres", 1)


def test_nothing_that_others_have_prepared_is_used(system: Path, tmp_path: Path):
    server = closed(tmp_path)
    precious = tmp_path / "precious"
    precious.write_text("precious")
    planted = foreseeable(system, server)
    (planted / "pginstall" / "bin").mkdir(parents=True)
    (planted / "pginstall" / "bin" / "initdb").write_text("#!/bin/sh\nexit 1\n")
    (planted / "pginstall" / "bin" / "initdb").chmod(0o755)
    (planted / "data.password").symlink_to(precious)
    os.chown(planted, 1, 1)
    server.prepare()
    assert precious.read_text() == "precious"
    assert precious.stat().st_uid == 0
    (made,) = (system / "lib").iterdir()
    assert made.stat().st_uid == 0
    assert made.stat().st_mode & 0o777 == 0o710
    assert server.argv()[2] == str(made / "data")
    assert (made / "data").stat().st_mode & 0o777 == 0o700
    server.prepare()
    assert [*(system / "lib").iterdir()] == [made], "remembered: one folder for all starts"


def test_data_of_before_are_taken_over_once(system: Path, tmp_path: Path):
    server = closed(tmp_path)
    before = foreseeable(system, server)
    (before / "data" / "base").mkdir(parents=True)
    (before / "data" / "PG_VERSION").write_text("18")
    os.chown(before / "data", 65534, -1)
    server.folder.mkdir()
    (server.folder / "password").write_text("of before")
    server.prepare()
    (made,) = (system / "lib").iterdir()
    assert (made / "data" / "PG_VERSION").read_text() == "18"
    assert (made / "data").stat().st_uid == 65534
    assert "of before" in server.url
    assert not before.exists()
    server.prepare()
    assert server.tables == made / "data" / "base"


@pytest.mark.parametrize("is_link", [False, True])
def test_but_not_from_a_folder_that_is_not_roots(system: Path, tmp_path: Path, is_link: bool):
    server = closed(tmp_path)
    server.folder.mkdir()
    (server.folder / "password").write_text("of before")
    found, strange = foreseeable(system, server), system / "tmp" / "strange"
    strange.mkdir()
    if is_link:
        found.symlink_to(strange)
    else:
        strange.rename(found)
        os.chown(found, 1, 1)
    with pytest.raises(NoDatabaseServer, match=f"mv --no-clobber {found} ") as told:
        server.prepare()
    assert f"chown --no-dereference root:root {found} " in str(told.value)
    assert not any((system / "lib").iterdir())
