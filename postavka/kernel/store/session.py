"""Sessions of PostgreSQL: opened with their parameters, and kept between two uses.

Parameters are set when the connection is there, never as `options` in the URL or the startup packet: a pooler
(PgBouncer) takes no such connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import psycopg
from psycopg.rows import RowFactory, tuple_row
from psycopg.sql import SQL, Composed

Parameters = Mapping[str, str]
"""Of a session, by PostgreSQL's name: `search_path` …"""
READ_ONLY: Parameters = {"default_transaction_read_only": "on"}


def open_session(
    conninfo: str,
    parameters: Parameters,
    *,
    autocommit: bool = True,
    row_factory: RowFactory[Any] = tuple_row,
    **others: Any,
) -> psycopg.Connection[Any]:
    """A session with these parameters; `others` as `psycopg.connect` takes them."""
    connection = psycopg.connect(conninfo, autocommit=True, row_factory=row_factory, **others)
    try:
        set_parameters(connection, parameters)
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


def set_parameters(connection: psycopg.Connection[Any], parameters: Parameters) -> None:
    """Give an open session its parameters, for as long as it lives. It must be in autocommit."""
    if parameters:
        connection.execute(*_statement(parameters))


async def set_parameters_of(connection: psycopg.AsyncConnection[Any], parameters: Parameters) -> None:
    """The same for an asynchronous session."""
    if parameters:
        await connection.execute(*_statement(parameters))


def _statement(parameters: Parameters) -> tuple[Composed, list[str]]:
    setting = SQL("set_config(%s, %s, false)")
    return SQL("SELECT {}").format(SQL(", ").join([setting] * len(parameters))), [
        each for pair in parameters.items() for each in pair
    ]


class KeptSession:
    """A session in autocommit that is kept from one use to the next: to open one takes PostgreSQL as long as some
    hundred statements. `with` gives it, or a new one after an error of PostgreSQL, and when the old one has ended. For
    one thread at a time."""

    def __init__(self, conninfo: str, parameters: Parameters | None = None, **others: Any) -> None:
        self._conninfo = conninfo
        self._parameters = parameters or {}
        self._others = others
        self._connection: psycopg.Connection[Any] | None = None

    def __enter__(self) -> psycopg.Connection[Any]:
        if self._connection is not None:
            try:
                for _ in ("its last words", "its end"):  # if PostgreSQL has ended it meanwhile; the second raises
                    self._connection.pgconn.consume_input()
            except psycopg.Error:
                self.close()
        if self._connection is None:
            self._connection = open_session(self._conninfo, self._parameters, **self._others)
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        used = self._connection
        if used is not None and (
            isinstance(error, psycopg.Error) or used.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
        ):
            self.close()

    def close(self) -> None:
        """Close the connection; closing again does nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
