"""`postavka migrate` prepares a database; services only look whether it has run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import psycopg
import pytest

from events.topics import STAGE_TOPICS
from postavka.app.migrations import migrate_all
from postavka.app.registry import SCHEMAS, SERVICES
from postavka.kernel.address import load
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from postavka.kernel.stage.service import StageService
from postavka.kernel.store.migration import EVENT_STORE, NotMigrated, migrate
from services.approval.stage import STAGE
from tests.paths import PROJECT

POSTAVKA = str(Path(sys.executable).parent / "postavka")


def told(database: str, *arguments: str) -> dict[str, object]:
    env = {**os.environ, "DATABASE_URL": database}
    done = subprocess.run(
        [POSTAVKA, "migrate", "--json", *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_new_database_gets_everything_and_is_finished(servers: Endpoints, bare_database: str) -> None:
    with pytest.raises(NotMigrated, match="run `postavka migrate`"):
        StageService(STAGE, Settings(**servers.settings(database_url=bare_database)))
    first = told(bare_database)
    assert set(first["ran"]) == set(SCHEMAS)  # type: ignore[call-overload]
    assert first["finished"] is True
    assert told(bare_database) == {"ran": {}, "finished": True}
    for entry in SERVICES.values():
        if entry.site is not None and (prepare := load(entry.site).prepare) is not None:
            prepare(bare_database)  # only looks


def test_an_upgrade_is_finished_by_hand(bare_database: str) -> None:
    migrate(bare_database, "billing", EVENT_STORE)  # an earlier release was here
    assert told(bare_database)["finished"] is False
    assert told(bare_database, "--finish")["finished"] is True


def test_every_set_of_files_has_its_schema() -> None:
    packages = {each.package for sets in SCHEMAS.values() for each in map(load, sets)}
    packages.add("postavka.kernel.installation")
    assert {topic.writer for topic in STAGE_TOPICS} <= SCHEMAS.keys()
    folders = {file.parent for top in ("postavka", "services") for file in (PROJECT / top).rglob("sql/[0-9]*.sql")}
    assert {".".join(folder.parent.relative_to(PROJECT).parts) for folder in folders} == packages


def test_nothing_but_the_command_migrates(bare_database: str) -> None:
    """Services of two releases work side by side: one that started again would put its functions in place of the
    other's."""
    allowed = {"postavka/app/migrations.py", "postavka/app/cli/backup.py", "postavka/kernel/installation/contract.py"}
    allowed |= {"postavka/kernel/backup/rebuild.py", "postavka/kernel/store/migration.py"}
    found = {
        str(file.relative_to(PROJECT))
        for top in ("postavka", "services")
        for file in (PROJECT / top).rglob("*.py")
        if " migrate(" in file.read_text("utf-8") or "\nmigrate(" in file.read_text("utf-8")
    }
    assert found - {"postavka/app/cli/migrate.py"} <= allowed
    migrate_all(bare_database)
    with psycopg.connect(bare_database) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'migrations'").fetchone()
    assert tables == (len(SCHEMAS) + 1,)


WITHOUT = """
import sys
left_out = set(sys.argv[1:])

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in left_out:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
from postavka.app.cli.migrate import migrate
from postavka.app.migrations import migration_sets
from postavka.kernel.runtime.connection import connected
assert migration_sets() and connected().database_url
"""


def test_the_image_of_stages_has_all_that_it_takes() -> None:
    left_out = tomllib.loads((PROJECT / "deploy" / "image" / "targets.toml").read_text())["left-out"]["stages"]
    env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": "nowhere:1", "DATABASE_URL": "postgresql://nowhere/x"}
    packages = [each.replace("-", "_") for each in left_out]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *packages], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
