"""Tables of which every row is signed for: who looked (`audit.looked`), and the stages' dead letters.

Their rows have no position and lie in PostgreSQL alone, so a row enters the tree of its table when it is first seen, in
the order of ids, and stays there for ever. Of a row only what never changes is its leaf: of a dead letter where the
record lies, its key, headers and the hash of its body, not how often it was tried or how it ended. A leaf's form is
that of an event (`services.audit.verifier.leaf_data`), with columns in the place of headers and an empty body.

What is in the tree and not in the table was deleted or changed. A copy of the database that was put back may have fewer
rows than were signed: the tree then takes the hashes that it lacks from the evidence folder, and goes on behind them.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.sql import NULL, SQL, Composable, Identifier, Literal

from events.topics import STAGE_TOPICS
from postavka.kernel.store.queries import load_queries
from services.audit.integrity.leaf_sql import Header, leaf_expression
from services.audit.integrity.merkle import Tree

QUERIES = load_queries("services.audit")

PATIENCE_SECONDS = 1.0
"""How long transactions that are writing to a table are waited for; after that its rows enter the next time."""
POLL_SECONDS = 0.02
TAKEN_UP = "taken-up "
"""Signed line of a table's first checkpoint: how many rows were there before it began."""

LOOKS: Sequence[Header] = (
    ("at", SQL("(extract(epoch FROM at) * 1000000)::bigint::text"), None),
    ("actor", SQL("actor"), None),
    ("role", SQL("role"), None),
    ("organisation", SQL("organisation"), SQL("organisation IS NOT NULL")),
    ("request_id", SQL("request_id::text"), None),
    ("what", SQL("what"), None),
    ("address", SQL("address"), None),
)
OWN_HEADERS = SQL(
    "coalesce((SELECT jsonb_agg(pair ORDER BY place) "
    "FROM jsonb_array_elements(headers) WITH ORDINALITY AS h(pair, place) "
    "WHERE NOT starts_with(coalesce(pair ->> 0, ''), 'dlq_'))::text, '[]')"
)
"""As they came: those that say what has become of a record are ours, and a store built from the topics has none."""
DEAD_LETTERS: Sequence[Header] = (
    ("key", SQL("encode(key, 'hex')"), SQL("key IS NOT NULL")),
    ("headers", OWN_HEADERS, None),
    ("sha256", SQL("sha256"), None),
)
RECORD = SQL("""topic || '/' || partition || '/' || "offset" """)


@dataclass(frozen=True, slots=True)
class SignedTable:
    """One of them. `log` is its name with that of its schema, and that of its log in checkpoints."""

    log: str
    key: Composable
    columns: Sequence[Header]

    @property
    def table(self) -> Identifier:
        """Its name in SQL."""
        return Identifier(*self.log.split("."))

    @property
    def has_bodies(self) -> bool:
        """Whether its rows have bodies that their leaves name by hash alone."""
        return self.columns is DEAD_LETTERS


def access_log(schema: str = "audit") -> SignedTable:
    """The list of who looked."""
    return SignedTable(f"{schema}.looked", SQL("id::text"), LOOKS)


def dead_letters(stage: str) -> SignedTable:
    """The dead letters of a stage."""
    return SignedTable(f"{stage}.dead_letters", RECORD, DEAD_LETTERS)


TABLES = (access_log(), *(dead_letters(topic.writer) for topic in STAGE_TOPICS))


def is_prepared(connection: psycopg.Connection[Any]) -> bool:
    """Whether the auditor's service of this release has ever run here: an older one signs no tables."""
    row = connection.execute(QUERIES.table_there, ("audit.entries",)).fetchone()
    return row is not None and row[0] is not None


def is_there(connection: psycopg.Connection[Any], table: SignedTable) -> bool:
    """Whether the table has been made."""
    row = connection.execute(QUERIES.table_there, (table.log,)).fetchone()
    return row is not None and row[0] is not None


def newest_row(connection: psycopg.Connection[Any], table: SignedTable) -> int:
    """The highest id; 0 for an empty table."""
    row = connection.execute(QUERIES.newest_row.format(table.table)).fetchone()
    return int(row[0]) if row else 0


def last_row(connection: psycopg.Connection[Any], log: str) -> int | None:
    """The id up to which rows are in the tree; None before the first time."""
    row = connection.execute(QUERIES.last_row, (log,)).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def hashed_rows(
    connection: psycopg.Connection[Any], table: SignedTable, after: int = 0, until: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Id and leaf hash of each row, in order of ids. Runs in a transaction, with a cursor of its own."""
    query = QUERIES.signed_rows.format(
        leaf=leaf_expression(table.key, table.columns),
        table=table.table,
        after=Literal(after),
        until=NULL if until is None else Literal(until),
    )
    with connection.transaction(), connection.cursor(name="hashed_rows") as cursor:
        cursor.itersize = 5_000
        for number, digest in cursor.execute(query):
            yield number, bytes(digest)


def settled(connection: psycopg.Connection[Any], table: SignedTable, patience: float = PATIENCE_SECONDS) -> int | None:
    """An id up to which no row can come any more: who may have taken one below it has ended since. None while somebody
    goes on writing. No lock is taken: nobody waits for this."""
    highest = newest_row(connection, table)
    writers = QUERIES.writers.format(Literal(table.log))
    deadline = time.monotonic() + patience
    before: set[str] | None = None
    while True:
        row = connection.execute(writers).fetchone()
        now = set(row[0]) if row else set()
        before = now if before is None else before & now
        if not before:
            return highest
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class EnteredRows:
    """What has entered the tree: `last` is the id up to which all have, `runs` (place in the tree, id) where ids begin
    to go on one by one, `taken_up` how many were there before the table was ever signed."""

    last: int
    runs: Sequence[tuple[int, int]] = ()
    taken_up: int = 0


def enter_rows(
    connection: psycopg.Connection[Any], table: SignedTable, tree: Tree, known: Container[bytes] = frozenset()
) -> EnteredRows | None:
    """Put the rows that have come into the tree, without those that it has already (`known`). None: not now."""
    if not is_there(connection, table):
        return EnteredRows(0)
    entered = last_row(connection, table.log)
    until = settled(connection, table)
    if until is None:
        return None
    count, follows = 0, None
    runs: list[tuple[int, int]] = []
    for number, digest in hashed_rows(connection, table, entered or 0, until):
        if digest in known:
            continue
        tree.extend([digest])
        count += 1
        if number != follows:
            runs.append((tree.size, number))
        follows = number + 1
    return EnteredRows(max(until, entered or 0), runs, count if entered is None and count == tree.size else 0)


def save_entered(connection: psycopg.Connection[Any], entered: Mapping[str, EnteredRows]) -> None:
    """Keep how far each table is in its tree. In the caller's transaction, with the trees."""
    with connection.cursor() as cursor:
        for log, each in entered.items():
            cursor.execute(QUERIES.save_last_row, (each.last, log))
            if each.runs:
                cursor.executemany(QUERIES.save_entries, [(log, *run) for run in each.runs])


def row_ids(connection: psycopg.Connection[Any], log: str, entries: Sequence[int]) -> dict[int, int]:
    """The ids that rows at these places of the tree had when they entered it."""
    runs = connection.execute(QUERIES.read_entries, (log,)).fetchall()
    found: dict[int, int] = {}
    place = 0
    for entry in sorted(entries):
        while place + 1 < len(runs) and runs[place + 1][0] <= entry:
            place += 1
        if runs and runs[place][0] <= entry:
            first, number = runs[place]
            found[entry] = number + entry - first
    return found
