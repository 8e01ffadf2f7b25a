"""PostgreSQL through its own `pg_dump` and `pg_restore`: one snapshot of all schemas."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import Identifier

from postavka.kernel.backup.sealed import CopyKey, Sealing
from postavka.kernel.errors import UserError
from postavka.kernel.runtime.database import binaries
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.kernel.backup")

DUMP = "database.dump"


class DumpFailed(UserError):
    """pg_dump or pg_restore ended badly; the message is theirs."""


class DatabaseNotEmpty(UserError):
    """The database into which a copy shall be put back has schemas of ours."""


class StillAtWork(UserError):
    """Services are connected to the database."""


def schemas(connection: psycopg.Connection[Any]) -> list[str]:
    """Schemas that are ours."""
    rows = connection.execute(QUERIES.schemas)
    return [row[0] for row in rows]


def group_roles(connection: psycopg.Connection[Any]) -> list[str]:
    """Roles that nobody signs in as: grants and policies name them, and a dump does not make them."""
    rows = connection.execute(QUERIES.group_roles)
    return [row[0] for row in rows]


def require_nobody_at_work(connection: psycopg.Connection[Any]) -> None:
    """Raises `StillAtWork` naming services that are connected."""
    rows = connection.execute(QUERIES.services_at_work).fetchall()
    if rows:
        raise StillAtWork(f"{', '.join(row[0] for row in rows)}: at work; stop all services first")


def dump(
    conninfo: str, file: Path, without: Sequence[str] = (), only: Sequence[str] = (), key: CopyKey | None = None
) -> None:
    """Write schemas of a database to a file, as they are at one moment; sealed with `key`, if there is one."""
    chosen = [f"--exclude-schema={name}" for name in without] + [f"--schema={name}" for name in only]
    out = file.open("xb") if key is None else Sealing(file, key)
    with out:
        _run("pg_dump", conninfo, "--format=custom", "--compress=gzip:1", "--no-owner", *chosen, out=out)


def put_back(conninfo: str, file: Path, roles: Sequence[str]) -> None:
    """Fill an empty database from such a file."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for role in roles:
            if not connection.execute(QUERIES.role_there, (role,)).fetchone():
                connection.execute(QUERIES.make_role.format(Identifier(role)))
    _run("pg_restore", conninfo, "--no-owner", "--exit-on-error", "--jobs=2", str(file))


def _run(program: str, conninfo: str, *arguments: str, out: io.IOBase | IO[bytes] | None = None) -> None:
    """Run one of PostgreSQL's programs; what it writes goes to `out`."""
    parts: dict[str, Any] = dict(conninfo_to_dict(conninfo))
    password = parts.pop("password", None)
    found = binaries() / program
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(  # noqa: S603
            [
                str(found if found.exists() else shutil.which(program)),
                f"--dbname={make_conninfo('', **parts)}",
                *arguments,
            ],
            env={**os.environ, **({"PGPASSWORD": str(password)} if password else {})},
            stdout=subprocess.PIPE,
            stderr=output,
        ) as running:
            assert running.stdout is not None  # noqa: S101
            while piece := running.stdout.read(1 << 16):
                if out is not None:
                    out.write(piece)
        if running.returncode != 0:
            output.seek(0)
            raise DumpFailed(f"{program}: {output.read().decode('utf-8', 'replace').strip()[-1_500:]}")
