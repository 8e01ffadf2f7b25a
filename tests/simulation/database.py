"""Sessions of the PostgreSQL in memory. Everything above them is the product's own code. A session stands before each
statement, and behind what writes: there a process may be killed, and an answer lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg
from eventsourcing.persistence import IntegrityError, InterfaceError, OperationalError
from greenlet import getcurrent
from psycopg.rows import tuple_row

from postavka.kernel.outbox import relay
from postavka.kernel.stage import recovery
from tests.simulation.actors import Actor, pause
from tests.simulation.statements import NOTHING, STATEMENTS, Found, Tables, key


class Judge(Protocol):
    """The one who looks at everything. Raises what is wrong."""

    def committed(self, database: Database, before: Any, after: Any) -> None:
        """A transaction is through; the tables before and after it."""

    def locked(self, session: Session) -> None:
        """A session has got a lock."""


class Database:
    """One schema."""

    def __init__(self, schema: str, tables: Tables, judge: Judge) -> None:
        self.schema = schema
        self.tables: Any = tables
        self.locks: dict[str, Session] = {}
        """Advisory locks, with who holds them."""
        self.judge = judge
        self.backup: Any = tables.copy()

    @contextmanager
    def change(self) -> Iterator[None]:
        """A transaction: all of it or nothing."""
        before = self.tables.copy()
        try:
            yield
        except BaseException:
            self.tables = before
            raise
        self.judge.committed(self, before, self.tables)


class Session:
    """What psycopg's connection promises. What it held is free when it is closed."""

    def __init__(self, database: Database, dicts: bool = False) -> None:
        self.database = database
        self.closed = False
        self.since: Any = None
        """When it got its lock, as the judge counts."""
        self.pgconn = self
        self._dicts, self._within = dicts, False

    def execute(self, query: Any, parameters: Sequence[Any] = (), **_: Any) -> Cursor:
        return Cursor(self, self._dicts).execute(query, parameters)

    def cursor(self, row_factory: Any = None) -> Cursor:
        return Cursor(self, self._dicts and row_factory is not tuple_row)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._arrive()
        self._within = True
        try:
            with self.database.change():
                yield
        finally:
            self._within = False
        self._answered()

    def run(self, query: Any, parameters: Sequence[Any]) -> Found:
        """One statement, in a transaction of its own if there is none."""
        lock = LOCKS.get(key(query))
        if lock is not None:
            self._arrive()
            return lock(self, *parameters)
        function, writes = STATEMENTS[key(query)]
        if self._within:
            return function(self.database.tables, *parameters)
        self._arrive()
        if not writes:
            return function(self.database.tables, *parameters)
        with self.database.change():
            found = function(self.database.tables, *parameters)
        self._answered()
        return found

    def _arrive(self) -> None:
        self.consume_input()
        pause()
        self.consume_input()

    def _answered(self) -> None:
        pause()
        self.consume_input()

    def consume_input(self) -> None:
        if self.closed:
            raise psycopg.OperationalError("the server has ended the session")

    def close(self) -> None:
        """By whom ever: the server may end it as well."""
        self.closed = True
        self.database.locks = {name: who for name, who in self.database.locks.items() if who is not self}

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Cursor:
    """What psycopg's cursor promises."""

    def __init__(self, session: Session, dicts: bool) -> None:
        self._session, self._dicts = session, dicts
        self._rows: list[Any] = []

    def execute(self, query: Any, parameters: Sequence[Any] = (), **_: Any) -> Cursor:
        names, rows = self._session.run(query, parameters)
        self._rows = [dict(zip(names, row, strict=True)) for row in rows] if self._dicts and names else list(rows)
        return self

    def executemany(self, query: Any, many: Iterable[Sequence[Any]]) -> None:
        for parameters in many:
            self._session.run(query, parameters)

    def fetchone(self) -> Any:
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[Any]:
        return self._rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *exc: object) -> None: ...


def _try_lock(session: Session, name: str) -> Found:
    if locked := session.database.locks.setdefault(name, session) is session:
        session.database.judge.locked(session)
    return ("locked",), [(locked,)]


def _lock(session: Session, name: str) -> Found:
    while (holder := session.database.locks.setdefault(name, session)) is not session:
        pause(lambda: holder.closed)
        session.consume_input()
    return NOTHING


LOCKS: dict[Any, Callable[..., Found]] = {
    key(relay.QUERIES.lock): _try_lock,
    key(recovery.QUERIES.lock): _lock,
}


class Datastore:
    """What `SchemaDatastore` promises: sessions of one process in its stage's schema."""

    def __init__(self, database: Database, opened: Callable[[Session], None]) -> None:
        self.schema, self.conninfo = database.schema, ""
        self._database, self._opened = database, opened
        self._kept: Session | None = None

    def open_session(self, parameters: Any = None, **_: Any) -> Session:
        session = self._open()
        me = getcurrent()
        if isinstance(me, Actor):
            me.session = session
        return session

    def _open(self, dicts: bool = False) -> Session:
        session = Session(self._database, dicts)
        self._opened(session)
        return session

    @contextmanager
    def get_connection(self) -> Iterator[Session]:
        """As the library's pool: another session after one that was ended, and the library's errors."""
        if self._kept is None or self._kept.closed:
            self._kept = self._open(dicts=True)
        try:
            yield self._kept
        except psycopg.errors.IntegrityError as error:
            raise IntegrityError(str(error)) from error
        except psycopg.OperationalError as error:
            raise OperationalError(str(error)) from error
        except psycopg.InterfaceError as error:
            raise InterfaceError(str(error)) from error
