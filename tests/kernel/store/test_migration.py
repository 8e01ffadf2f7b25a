"""Migrations run once, whoever starts them, and a file that was changed after it ran is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from postavka.kernel.store.migration import EVENT_STORE, MIGRATION, ChangedMigration, MigrationSet, migrate

STORE_FILES = sorted(
    file.name for file in files(EVENT_STORE.package).joinpath("sql").iterdir() if MIGRATION.fullmatch(file.name)
)
"""What makes a stage's schema, in the order in which it runs."""
MIGRATED = MigrationSet("migrated", "migrated")


def test_migrating_twice_is_harmless(database: str) -> None:
    assert migrate(database, "toy", EVENT_STORE) == STORE_FILES
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE toy.head SET position = 7")
    assert migrate(database, "toy", EVENT_STORE) == []
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT position FROM toy.head").fetchone() == (7,)


def test_migrating_in_several_processes_at_once(database: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        ran = list(threads.map(lambda _: migrate(database, "toy", EVENT_STORE), range(4)))
    assert sorted(ran) == [[], [], [], STORE_FILES]


def test_schemas_do_not_meet(database: str) -> None:
    migrate(database, "toy", EVENT_STORE)
    assert migrate(database, "other toy", EVENT_STORE) == STORE_FILES
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE toy.head SET position = 7")
        assert connection.execute('SELECT position FROM "other toy".head').fetchone() == (0,)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The `sql` folder of a package of its own, named `migrated`."""
    folder = tmp_path / "migrated" / "sql"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("migrated", None)


def test_a_numbered_file_that_was_changed_after_it_ran_is_refused(database: str, package: Path) -> None:
    (package / "001_a.sql").write_text("CREATE TABLE a ()")
    migrate(database, "toy", MIGRATED)
    (package / "001_a.sql").write_text("CREATE TABLE a (b int)")
    with pytest.raises(ChangedMigration, match=r"001_a\.sql was changed"):
        migrate(database, "toy", MIGRATED)


def test_a_function_that_was_changed_runs_again_and_a_new_file_once(database: str, package: Path) -> None:
    function = "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT {}'"
    (package / "fn_one.sql").write_text(function.format(1))
    assert migrate(database, "toy", MIGRATED) == ["fn_one.sql"]
    (package / "fn_one.sql").write_text(function.format(2))
    (package / "002_b.sql").write_text("CREATE TABLE b ()")
    (package / "010_c.sql").write_text("ALTER TABLE b ADD c int DEFAULT one()")
    (package / "011_wrong.sql").write_text("SELECT wrong")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        migrate(database, "toy", MIGRATED)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('toy.b'), toy.one()").fetchone() == (None, 1), "all or nothing"
    (package / "011_wrong.sql").unlink()
    assert migrate(database, "toy", MIGRATED) == ["002_b.sql", "010_c.sql", "fn_one.sql"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT toy.one()").fetchone() == (2,)
