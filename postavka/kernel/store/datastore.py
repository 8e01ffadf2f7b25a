"""Connections of one stage to its own PostgreSQL schema: `eventsourcing`'s datastore, opened from a URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from eventsourcing.postgres import PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from postavka.kernel.store.session import open_session, set_parameters

POOL = 2
"""Connections kept open by one worker: one decides, one relays."""


class SchemaDatastore(PostgresDatastore):
    """All parameters of the URL count (sslmode, target_session_attrs …); `search_path` is the stage's schema."""

    def __init__(self, conninfo: str, schema: str, pool_size: int = POOL) -> None:
        self._parameters = {"search_path": f"{schema},public", "jit": "off"}
        parts = conninfo_to_dict(conninfo)
        super().__init__(
            dbname=str(parts.pop("dbname", "")),
            host=str(parts.pop("host", "")),
            port=str(parts.pop("port", "5432")),
            user=str(parts.pop("user", "")),
            password=str(parts.pop("password", "")),
            pool_size=pool_size,
            max_overflow=4,
            schema=schema,
        )
        self.conninfo = conninfo
        pool_kwargs = self.pool.kwargs
        assert isinstance(pool_kwargs, dict)  # noqa: S101
        pool_kwargs.update({**parts, "application_name": f"postavka-{schema}"})

    def after_connect_func(self) -> Callable[[psycopg.Connection[Any]], None]:
        """What the pool does with a new connection."""
        librarys, parameters = super().after_connect_func(), self._parameters

        def after_connect(connection: psycopg.Connection[Any]) -> None:
            librarys(connection)
            set_parameters(connection, parameters)

        return after_connect

    def open_session(self, parameters: Mapping[str, str] | None = None, **others: Any) -> psycopg.Connection[Any]:
        """A session beside the pool, for who holds a lock for long; `others` as `psycopg.connect` takes them."""
        return open_session(self.conninfo, {"search_path": self.schema, **(parameters or {})}, **others)
