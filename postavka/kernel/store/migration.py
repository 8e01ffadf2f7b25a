"""Numbered SQL files, applied once each, in order, under a lock: by `postavka migrate`, before a release is started.
Services only check, and end when their schema is not up to date.

A part that owns a PostgreSQL schema keeps its files in a folder `sql` of its package, a migration set:
`001_store.sql`, `002_….sql`. They run with `search_path` set to the schema. An applied numbered file must never change:
a checksum says so. Files named `fn_….sql` hold functions (`CREATE OR REPLACE`) and run anew when their text changes.

While services of two releases work side by side, what is there must do for both (expand, then contract). So a numbered
file only adds; what takes away from the release before is named `NNN_contract_….sql` and waits for
`postavka migrate --finish`, or for a later file of the same set. And a function whose text has been replaced is not put
back by the earlier release: its checksum is kept, so that this release knows that a later one was here. (To bring an
old text back, change its comment.)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from postavka.kernel.errors import UserError

FUNCTIONS = re.compile(r"/fn_\w+\.sql$")
CONTRACTS = re.compile(r"\d{3}_contract_\w+\.sql")
MIGRATION = re.compile(r"(\d{3}|fn)_\w+\.sql")
"""What is applied of a folder `sql`; statements that programs ask lie beside (`queries.sql`)."""


class ChangedMigration(UserError):
    """A numbered file was edited after it had been applied: add a new one instead."""


class NotMigrated(UserError):
    """A schema is not up to date."""


class InTheWay(UserError):
    """Another session holds a lock that a migration needs."""


@dataclass(frozen=True, slots=True)
class MigrationSet:
    """The SQL files of one part, in the folder `sql` of `package`.

    Every database notes its applied files under `name`. So a name never changes, wherever the package moves: under
    another name everything would run anew. The names of today are the paths that the packages had in release 6c4deb1.
    """

    name: str
    package: str


EVENT_STORE = MigrationSet("postavka.store", "postavka.kernel.store")
"""What makes the event store of a stage, or an outbox of notices."""


def migrate(
    conninfo: str, schema: str, *sets: MigrationSet, finish: bool = False, lock_seconds: float | None = None
) -> list[str]:
    """Bring `schema` up to date with the files of `sets`; returns the names of the files that ran. `finish`: also what
    takes away from the release before; a new schema has everything at once. `lock_seconds`: how long to stand in
    everybody's way while another session holds a lock; None: for ever. All files run, or none. Raises `InTheWay`,
    `ChangedMigration`."""
    ran: list[str] = []
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(hashtext('postavka.migrate'))")
            with connection.transaction():
                if lock_seconds is not None:
                    connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{lock_seconds * 1000:.0f}",))
                connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
                connection.execute(SQL("SET LOCAL search_path TO {}, public").format(Identifier(schema)))
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, sha256 text NOT NULL, "
                    "applied_at timestamptz NOT NULL DEFAULT now())"
                )
                applied = _read_applied(connection, schema)
                for each in sets:
                    for name, text in _to_run(each, applied, finish=finish or not applied):
                        if name in applied and not FUNCTIONS.search(name):
                            raise ChangedMigration(
                                f"{name} was changed after it had been applied; add a new numbered file instead"
                            )
                        _apply(connection, name, text)
                        ran.append(name.rpartition("/")[2])
            connection.execute("SELECT pg_advisory_unlock(hashtext('postavka.migrate'))")
    except psycopg.errors.LockNotAvailable as held:
        raise InTheWay(
            f"schema {schema}: another session has held a lock for {lock_seconds:g} s, and nothing was changed in it: "
            "find who holds it (pg_locks, pg_stat_activity), or try again when less is going on"
        ) from held
    return ran


def require(conninfo: str, schema: str, *sets: MigrationSet) -> None:
    """Has everything run that this release needs? Changes nothing. Raises `NotMigrated`."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        missing = pending(connection, schema, *sets)
    if missing:
        raise NotMigrated(
            f"schema {schema} is not up to date ({', '.join(missing)}): run `postavka migrate`, then start the services"
        )


def pending(connection: psycopg.Connection[Any], schema: str, *sets: MigrationSet, finish: bool = False) -> list[str]:
    """Names of the files that `migrate` would run in `schema`, or refuse, changed as they are. Changes nothing."""
    applied = _read_applied(connection, schema)
    return [
        name.rpartition("/")[2] for each in sets for name, _ in _to_run(each, applied, finish=finish or not applied)
    ]


def _read_applied(connection: psycopg.Connection[Any], schema: str) -> dict[str, str]:
    """File → checksum; of a function that has been replaced also `file#checksum`."""
    found = connection.execute("SELECT to_regclass(%s)", (f'"{schema}".migrations',)).fetchone()
    if found is None or found[0] is None:
        return {}
    query = SQL("SELECT name, sha256 FROM {}.migrations").format(Identifier(schema))
    return dict(connection.execute(query).fetchall())


def _to_run(those: MigrationSet, applied: Mapping[str, str], *, finish: bool) -> list[tuple[str, str]]:
    """Name and text of what has to run, in order."""
    chosen: list[tuple[str, str]] = []
    waiting: list[tuple[str, str]] = []
    for file in _sql_files(those):
        name, text = f"{those.name}/{file.name}", file.read_text("utf-8")
        sha256, found = _sha256(text), applied.get(f"{those.name}/{file.name}")
        if found == sha256 or f"{name}#{sha256}" in applied:
            continue
        if CONTRACTS.fullmatch(file.name) and not finish:
            waiting.append((name, text))
            continue
        if not FUNCTIONS.search(name):
            chosen += waiting
            waiting.clear()
        chosen.append((name, text))
    return chosen


def _sql_files(those: MigrationSet) -> list[Traversable]:
    folder = files(those.package) / "sql"
    return sorted((file for file in folder.iterdir() if MIGRATION.fullmatch(file.name)), key=lambda file: file.name)


def _apply(connection: psycopg.Connection[Any], name: str, text: str) -> None:
    connection.execute(text.encode(), prepare=False)
    connection.execute(
        "INSERT INTO migrations (name, sha256) SELECT name || '#' || sha256, sha256 FROM migrations WHERE name = %s "
        "ON CONFLICT DO NOTHING",
        (name,),
    )
    connection.execute(
        "INSERT INTO migrations (name, sha256) VALUES (%s, %s) "
        "ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = now()",
        (name, _sha256(text)),
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
