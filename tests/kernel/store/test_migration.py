"""Migrations run once, whoever starts them, and a file that was changed after it ran is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from postavka.kernel.store.migration import (
    EVENT_STORE,
    MIGRATION,
    ChangedMigration,
    InTheWay,
    MigrationSet,
    NotMigrated,
    migrate,
    require,
)

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


ONE = "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT {}'"


def one(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT toy.one()").fetchone()
    assert row is not None
    return int(row[0])


def test_an_old_release_that_starts_again_leaves_the_functions_of_the_new_one(database: str, package: Path) -> None:
    (package / "fn_one.sql").write_text(ONE.format(1))
    migrate(database, "toy", MIGRATED)
    (package / "fn_one.sql").write_text(ONE.format(2))
    with pytest.raises(NotMigrated, match=r"schema toy is not up to date \(fn_one\.sql\): run `postavka migrate`"):
        require(database, "toy", MIGRATED)
    assert one(database) == 1, "who only checks changes nothing"
    migrate(database, "toy", MIGRATED)
    (package / "fn_one.sql").write_text(ONE.format(1))  # the release before
    require(database, "toy", MIGRATED)
    assert migrate(database, "toy", MIGRATED) == []
    assert one(database) == 2
    (package / "fn_one.sql").write_text(ONE.format(3))  # the next release
    assert migrate(database, "toy", MIGRATED) == ["fn_one.sql"]
    assert one(database) == 3


def test_an_old_release_works_with_what_the_new_one_has_added(database: str, package: Path) -> None:
    (package / "001_a.sql").write_text("CREATE TABLE a (old int)")
    migrate(database, "toy", MIGRATED)
    (package / "002_b.sql").write_text("ALTER TABLE a ADD new int")
    with pytest.raises(NotMigrated, match=r"002_b\.sql"):
        require(database, "toy", MIGRATED)
    migrate(database, "toy", MIGRATED)
    (package / "002_b.sql").unlink()
    require(database, "toy", MIGRATED)


def test_what_the_release_before_needs_is_taken_away_when_the_upgrade_is_finished(database: str, package: Path) -> None:
    (package / "001_a.sql").write_text("CREATE TABLE a (old int)")
    migrate(database, "toy", MIGRATED)
    (package / "002_b.sql").write_text("ALTER TABLE a ADD new int")
    (package / "003_contract_a.sql").write_text("ALTER TABLE a DROP old")
    assert migrate(database, "toy", MIGRATED) == ["002_b.sql"]
    require(database, "toy", MIGRATED)
    assert migrate(database, "toy", MIGRATED, finish=True) == ["003_contract_a.sql"]
    assert migrate(database, "toy", MIGRATED, finish=True) == []


def test_the_next_upgrade_takes_it_away_as_well(database: str, package: Path) -> None:
    (package / "001_a.sql").write_text("CREATE TABLE a (old int)")
    migrate(database, "toy", MIGRATED)
    (package / "002_contract_a.sql").write_text("ALTER TABLE a DROP old")
    assert migrate(database, "toy", MIGRATED) == []
    (package / "003_b.sql").write_text("ALTER TABLE a ADD old text")
    assert migrate(database, "toy", MIGRATED) == ["002_contract_a.sql", "003_b.sql"]


def test_a_new_schema_has_everything_at_once(database: str, package: Path) -> None:
    (package / "001_a.sql").write_text("CREATE TABLE a (old int)")
    (package / "002_contract_a.sql").write_text("ALTER TABLE a DROP old")
    assert migrate(database, "toy", MIGRATED) == ["001_a.sql", "002_contract_a.sql"]


def test_a_migration_does_not_stand_in_the_way_for_long(database: str, package: Path) -> None:
    (package / "001_a.sql").write_text("CREATE TABLE a ()")
    migrate(database, "toy", MIGRATED)
    (package / "002_b.sql").write_text("CREATE TABLE b ()")
    (package / "003_c.sql").write_text("ALTER TABLE a ADD b int")
    with psycopg.connect(database) as busy:
        busy.execute("SELECT * FROM toy.a")
        with pytest.raises(InTheWay, match=r"schema toy: another session has held a lock for 0\.2 s"):
            migrate(database, "toy", MIGRATED, lock_seconds=0.2)
        assert busy.execute("SELECT to_regclass('toy.b')").fetchone() == (None,), "nothing was changed"
    assert migrate(database, "toy", MIGRATED, lock_seconds=30) == ["002_b.sql", "003_c.sql"]
