"""Sessions of PostgreSQL that give way, or go first, as much as the program they work for.

What a program asks of PostgreSQL is done by a process of its own there, which knows nothing of the program's niceness:
a count for the books would hold up a partner's request. Only where PostgreSQL was started together with us; helpers
that PostgreSQL starts for one statement (parallel workers) don't give way.
"""

from __future__ import annotations

import contextlib
import os
from types import TracebackType
from typing import Any

import psycopg

from postavka.kernel.settings import settings

MOST = 10
"""Less than letters and papers themselves: a session that flushes the log of PostgreSQL holds up every other commit
until it has a processor again. With 10 no more approvals were late than with 0 (docs/performance.md)."""


def as_we_do(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Give the session the niceness of the thread that opens it."""
    niceness = min(os.getpriority(os.PRIO_PROCESS, 0), MOST)
    if settings().database_gives_way and niceness != 0:
        with contextlib.suppress(OSError):  # it has ended, is another user's, or may not go first
            os.setpriority(os.PRIO_PROCESS, connection.info.backend_pid, niceness)


def connect(conninfo: str, **options: Any) -> psycopg.Connection[Any]:
    """`psycopg.connect`, for sessions that give way."""
    connection = psycopg.connect(conninfo, **options)
    as_we_do(connection)
    return connection


class Kept:
    """A session in autocommit that is kept from one use to the next: to open one takes PostgreSQL as long as some
    hundred statements. `with` gives it, or a new one after an error of PostgreSQL, and when the old one has ended. For
    one thread at a time."""

    def __init__(self, conninfo: str, **options: Any) -> None:
        self._conninfo = conninfo
        self._options = options
        self._connection: psycopg.Connection[Any] | None = None

    def __enter__(self) -> psycopg.Connection[Any]:
        if self._connection is not None:
            try:
                for _ in ("its last words", "its end"):  # if PostgreSQL has ended it meanwhile; the second raises
                    self._connection.pgconn.consume_input()
            except psycopg.Error:
                self.close()
        if self._connection is None:
            self._connection = connect(self._conninfo, autocommit=True, **self._options)
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        used = self._connection
        if used is not None and (
            isinstance(error, psycopg.Error) or used.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
        ):
            self.close()

    def close(self) -> None:
        """Again does nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
