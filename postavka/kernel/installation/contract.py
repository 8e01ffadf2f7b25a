"""Which versions of events this installation writes (`events/versions.py`).

After an upgrade the stages go on to write what the release before can read, so that going back stays possible. With
`postavka migrate --finish` that is over: the number of the newest contract goes into the database, and stages, which
read it at their start, write the new versions. A new installation is finished at once.
"""

from __future__ import annotations

import psycopg

from events.versions import CONTRACT
from postavka.kernel.store.migration import MigrationSet, migrate, require
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.kernel.installation")
SCHEMA = "installation"
MIGRATIONS = MigrationSet("postavka.kernel.installation", "postavka.kernel.installation")


def read_finished(conninfo: str) -> int:
    """The contract up to which new versions are written. Raises `NotMigrated`."""
    require(conninfo, SCHEMA, MIGRATIONS)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(QUERIES.finished).fetchone()
    return int(row[0]) if row else 0


def begin(conninfo: str) -> None:
    """Note where an installation stands that has not said so yet; before its other schemas are made or changed."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(QUERIES.has_events).fetchone()
        worked_before = bool(row and row[0])
    migrate(conninfo, SCHEMA, MIGRATIONS)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(QUERIES.begin, (0 if worked_before else CONTRACT,))


def finish(conninfo: str) -> None:
    """Let the stages write the newest versions from their next start on."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(QUERIES.finish, (CONTRACT, CONTRACT))
