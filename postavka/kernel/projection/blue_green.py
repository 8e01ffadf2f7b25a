"""New tables beside those in use, and the moment at which they take their place.

The new ones lie in a schema of their own under the same names, so that whoever writes them needs another search path
and nothing else. All that the tables in use have is read from PostgreSQL's catalogue and made anew: storage options,
indexes and constraints (after the rows are there), row-level security, rights, views on them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier

from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session

QUERIES = load_queries("postavka.kernel.projection")

T = TypeVar("T")

WHILE_COPYING = "toast_tuple_target = 8160"
"""Rows that fit into a page are copied as they are: compressing them takes as long as all the rest of COPY."""
LOCK_MS = 300
"""Readers of several tables may stand in the way, and we in theirs: we give way before PostgreSQL (after a second) ends
one of the two."""


def connect(conninfo: str, schema: str, in_use: str) -> psycopg.Connection[Any]:
    """Connect as the writer of the tables of `schema`; what is not there is that of the tables `in_use`."""
    return open_session(
        conninfo,
        {"search_path": f"{schema},{in_use},public", "jit": "off"},
        application_name=f"postavka-{in_use}",
    )


def swap_lock(connection: psycopg.Connection[Any], schema: str) -> None:
    """Lock out swaps, for the writer of the tables, first of all in its transaction: no swap until it has ended."""
    connection.execute(QUERIES.lock_out_swaps, (f"swap of {schema}",))


def generation(connection: psycopg.Connection[Any], table: str) -> int:
    """Changes with every swap: what a writer remembers of the tables does not hold any more."""
    row = connection.execute(QUERIES.generation, (table,)).fetchone()
    return row[0] if row else 0


class StagedTables:
    """The new tables of a read model."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        schema: str,
        staging: str,
        tables: Sequence[str],
        another: Callable[[], psycopg.Connection[Any]] | None = None,
    ) -> None:
        """`another` opens a second connection: indexes are made side by side then."""
        self._connection = connection
        self._another = another
        self._schema, self._staging = schema, staging
        self._tables = tuple(tables)

    def make(self) -> None:
        """Make the tables, empty and without indexes. What an interrupted rebuild has left goes."""
        self.drop()
        self._run(SQL("CREATE SCHEMA {}").format(Identifier(self._staging)))
        for table in self._tables:
            options = [option for option in self._options(table) if not option.startswith("toast_tuple_target")]
            # Constraints but CHECK are made with the indexes; LIKE copies CHECK and NOT NULL.
            like = SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)").format(
                Identifier(self._staging, table), Identifier(self._schema, table)
            )
            self._run(like + SQL(" WITH ({})").format(SQL(", ".join([*options, WHILE_COPYING]))))
            comment = self._rows("SELECT obj_description(%s::regclass)", f"{self._schema}.{table}")[0][0]
            if comment is not None:
                self._run(SQL("COMMENT ON TABLE {} IS {}").format(Identifier(self._staging, table), comment))

    def drop(self) -> None:
        """Drop the tables and all that belongs to them."""
        self._run(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(self._staging)))

    def put_together(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Rows that several partitions say something of become one: of each column what is not null. Tables without a
        key are left alone."""
        for table, key in keys.items():
            if not key:
                continue
            columns = [
                row[0]
                for row in self._connection.execute(
                    "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
                    "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
                    (f"{self._staging}.{table}",),
                )
            ]
            others = [each for each in columns if each not in key]
            known = [SQL("(array_agg({0} ORDER BY {0}) FILTER (WHERE {0} IS NOT NULL))[1]") for _ in others]
            self._run(
                SQL(
                    "WITH twice AS (DELETE FROM {table} WHERE ({key}) IN "
                    "(SELECT {key} FROM {table} GROUP BY {key} HAVING count(*) > 1) RETURNING *) "
                    "INSERT INTO {table} ({columns}) SELECT {values} FROM twice GROUP BY {key}"
                ).format(
                    table=Identifier(self._staging, table),
                    key=_names(key),
                    columns=_names([*key, *others]),
                    values=SQL(", ").join(
                        [*map(Identifier, key)]
                        + [form.format(Identifier(name)) for form, name in zip(known, others, strict=True)]
                    ),
                )
            )

    def finish(self) -> None:
        """Everything that the tables in use have beside their rows."""
        self._run("SET default_statistics_target = 50")  # half the usual
        for table in self._tables:
            as_before = [option for option in self._options(table) if option.startswith("toast_tuple_target")]
            change = SQL("SET ({})").format(SQL(as_before[0])) if as_before else SQL("RESET (toast_tuple_target)")
            self._run(SQL("ALTER TABLE {} ").format(Identifier(self._staging, table)) + change)
            self._index(table)
            self._protect(table)
            # Lists are answered from indexes alone once pages are known to be visible to all. Nobody searches by what
            # lies in JSON: sorting 30,000 samples of it takes as long as making the indexes. (Autovacuum may, later.)
            columns = self._rows(
                "SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
                "AND NOT attisdropped AND atttypid <> 'jsonb'::regtype",
                f"{self._staging}.{table}",
            )[0][0]
            self._run(SQL("VACUUM ANALYZE {} ({})").format(Identifier(self._staging, table), _names(columns)))

    def swap(self, last: Callable[[], None]) -> None:
        """Put them in the place of those in use, in one transaction. `last` is called when no writer can write any
        more, and may still write the new tables."""
        with self._connection.transaction():
            self._run("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"swap of {self._schema}",))
            last()
            self._lock()
            views = self._views()
            for name, _, _ in reversed(views):
                self._run(SQL("DROP VIEW {}").format(Identifier(self._schema, name)))
            for table in self._tables:
                self._run(SQL("DROP TABLE {}").format(Identifier(self._schema, table)))
                move = SQL("ALTER TABLE {} SET SCHEMA {}")
                self._run(move.format(Identifier(self._staging, table), Identifier(self._schema)))
            for name, definition, comment in views:
                view = Identifier(self._schema, name)
                self._run(SQL("CREATE VIEW {} AS {}").format(view, SQL(definition)))
                if comment is not None:
                    self._run(SQL("COMMENT ON VIEW {} IS {}").format(view, comment))
            self.drop()

    def _lock(self) -> None:
        tables = SQL(", ").join(Identifier(self._schema, table) for table in self._tables)
        self._run(SQL("SET LOCAL lock_timeout = {}").format(LOCK_MS))
        while True:
            try:
                with self._connection.transaction():
                    self._run(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(tables))
                break
            except psycopg.errors.LockNotAvailable:
                continue
        self._run("SET LOCAL lock_timeout = 0")

    def _index(self, table: str) -> None:
        """Indexes first, side by side; then the constraints that stand on them, and those of another kind."""
        old, new = f"{self._schema}.{table}", Identifier(self._staging, table)
        statements: list[Composed] = []
        for definition, here in self._rows(
            "SELECT pg_get_indexdef(i.indexrelid), format(' ON %%I.%%I USING ', n.nspname, c.relname) FROM pg_index i "
            "JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE i.indrelid = %s::regclass AND NOT i.indisexclusion ORDER BY i.indexrelid",
            old,
        ):
            before, _, behind = definition.partition(here)
            statements.append(SQL(before) + SQL(" ON {} USING ").format(new) + SQL(behind))
        self._side_by_side(statements)
        for name, definition in self._rows(
            "SELECT conname::text, CASE WHEN i.indisexclusion THEN pg_get_constraintdef(c.oid) ELSE "
            "format('%%s USING INDEX %%I%%s%%s', CASE contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, conname, "
            "CASE WHEN condeferrable THEN ' DEFERRABLE' END, CASE WHEN condeferred THEN ' INITIALLY DEFERRED' END) END "
            "FROM pg_constraint c JOIN pg_index i ON i.indexrelid = conindid "
            "WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'x') ORDER BY c.oid",
            old,
        ):
            self._run(SQL("ALTER TABLE {} ADD CONSTRAINT {} ").format(new, Identifier(name)) + SQL(definition))

    def _side_by_side(self, statements: Sequence[Composed]) -> None:
        """Run statements two at a time, each in one process of the server. The three that PostgreSQL would give to one
        take a third longer, and do not give way (`postavka/kernel/store/session.py`)."""
        waiting = deque(statements)

        def work(connection: psycopg.Connection[Any]) -> None:
            try:
                connection.execute("SET max_parallel_maintenance_workers = 0")
                while (statement := taken(waiting)) is not None:
                    connection.execute(statement)
                connection.execute("RESET max_parallel_maintenance_workers")
            except BaseException:
                waiting.clear()  # nothing more for the other one
                raise

        if self._another is None or len(statements) < 2:
            for statement in statements:
                self._run(statement)
            return
        with self._another() as second, ThreadPoolExecutor(1) as pool:
            other = pool.submit(work, second)
            try:
                work(self._connection)
            except BaseException:
                second.cancel_safe()
                raise
            other.result()

    def _protect(self, table: str) -> None:
        old, new = f"{self._schema}.{table}", Identifier(self._staging, table)
        enabled, forced = self._rows(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", old
        )[0]
        if enabled:
            self._run(SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(new))
        if forced:
            self._run(SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(new))
        for name, kind, command, roles, using, check in self._rows(
            "SELECT policyname::text, permissive, cmd, roles::text[], qual, with_check FROM pg_policies "
            "WHERE format('%%I.%%I', schemaname, tablename)::regclass = %s::regclass",
            old,
        ):
            whom = SQL(", ").join(SQL("PUBLIC") if role == "public" else Identifier(role) for role in roles)
            parts = [
                SQL("CREATE POLICY {} ON {} AS {} FOR {} TO {}").format(
                    Identifier(name), new, SQL(kind), SQL(command), whom
                )
            ]
            parts += [SQL("USING ({})").format(SQL(using))] if using is not None else []
            parts += [SQL("WITH CHECK ({})").format(SQL(check))] if check is not None else []
            self._run(SQL(" ").join(parts))
        for role, right in self._rows(
            "SELECT CASE grantee WHEN 0 THEN NULL ELSE grantee::regrole::text END, privilege_type "
            "FROM pg_class, aclexplode(relacl) WHERE oid = %s::regclass AND grantee <> relowner",
            old,
        ):
            grant = SQL("GRANT {} ON {} TO {}")
            self._run(grant.format(SQL(right), new, SQL("PUBLIC" if role is None else role)))

    def _views(self) -> list[tuple[str, str, str | None]]:
        """Name, definition and comment of all views of the schema, in the order in which they were made."""
        found = self._connection.execute(
            "SELECT relname::text, rtrim(pg_get_viewdef(oid), ';'), obj_description(oid, 'pg_class') FROM pg_class "
            "WHERE relkind = 'v' AND relnamespace = %s::regnamespace ORDER BY oid",
            (self._schema,),
        )
        return [(name, definition, comment) for name, definition, comment in found]

    def _rows(self, query: str, of: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, (of,)).fetchall()

    def _options(self, table: str) -> list[str]:
        """Storage options of the table in use: `fillfactor=60` …"""
        query = "SELECT coalesce(reloptions, '{}') FROM pg_class WHERE oid = %s::regclass"
        found: list[str] = self._rows(query, f"{self._schema}.{table}")[0][0]
        return found

    def _run(self, statement: str | Composable, parameters: Sequence[Any] = ()) -> None:
        self._connection.execute(statement, parameters or None)  # type: ignore[arg-type]


def taken(waiting: deque[T]) -> T | None:
    """The next one, for several threads; None when there is none left."""
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _names(columns: Sequence[str]) -> Composable:
    return SQL(", ").join(map(Identifier, columns))
