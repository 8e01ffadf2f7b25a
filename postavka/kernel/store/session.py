"""A session of PostgreSQL that is kept between two uses."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import psycopg


class KeptSession:
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
            self._connection = psycopg.connect(self._conninfo, autocommit=True, **self._options)
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
