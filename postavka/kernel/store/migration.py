"""Numbered SQL files, applied once each, in order, under a lock.

A part that owns a PostgreSQL schema keeps its files in a folder `sql` of its package, a migration set:
`001_store.sql`, `002_….sql`. They run with `search_path` set to the schema. Files named `fn_….sql` hold functions
(`CREATE OR REPLACE`) and run anew whenever their text changes. An applied numbered file must never change: a checksum
says so.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from postavka.kernel.errors import UserError

MIGRATION = re.compile(r"(\d{3}|fn)_\w+\.sql")
"""What is applied of a folder `sql`; statements that programs ask lie beside (`queries.sql`)."""


class ChangedMigration(UserError):
    """A numbered file was edited after it had been applied: add a new one instead."""


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


def migrate(conninfo: str, schema: str, *sets: MigrationSet) -> list[str]:
    """Bring `schema` up to date with the files of `sets`; returns the names of the files that ran."""
    ran: list[str] = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('postavka.migrate'))")
        with connection.transaction():
            connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
            connection.execute(SQL("SET LOCAL search_path TO {}, public").format(Identifier(schema)))
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, sha256 text NOT NULL, "
                "applied_at timestamptz NOT NULL DEFAULT now())"
            )
            applied: dict[str, str] = dict(connection.execute("SELECT name, sha256 FROM migrations").fetchall())
            for each in sets:
                for file in _sql_files(each):
                    if _apply(connection, f"{each.name}/{file.name}", file.read_text("utf-8"), applied):
                        ran.append(file.name)
        connection.execute("SELECT pg_advisory_unlock(hashtext('postavka.migrate'))")
    return ran


def pending(connection: psycopg.Connection[Any], schema: str, *sets: MigrationSet) -> list[str]:
    """Names of the files that `migrate` would run in `schema` (or refuse, changed as they are). Changes nothing."""
    applied: dict[str, str] = {}
    found = connection.execute("SELECT to_regclass(%s)", (f"{schema}.migrations",)).fetchone()
    if found is not None and found[0] is not None:
        query = SQL("SELECT name, sha256 FROM {}.migrations").format(Identifier(schema))
        applied = dict(connection.execute(query).fetchall())
    return [
        file.name
        for each in sets
        for file in _sql_files(each)
        if applied.get(f"{each.name}/{file.name}") != _sha256(file.read_text("utf-8"))
    ]


def _sql_files(those: MigrationSet) -> list[Traversable]:
    folder = files(those.package) / "sql"
    return sorted((file for file in folder.iterdir() if MIGRATION.fullmatch(file.name)), key=lambda file: file.name)


def _apply(connection: psycopg.Connection, name: str, text: str, applied: dict[str, str]) -> bool:
    sha256 = _sha256(text)
    if applied.get(name) == sha256:
        return False
    if name in applied and not name.rpartition("/")[2].startswith("fn_"):
        raise ChangedMigration(f"{name} was changed after it had been applied; add a new numbered file instead")
    connection.execute(text.encode(), prepare=False)
    connection.execute(
        "INSERT INTO migrations (name, sha256) VALUES (%s, %s) "
        "ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = now()",
        (name, sha256),
    )
    return True


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
