"""Connections of one stage to its own PostgreSQL schema: `eventsourcing`'s datastore, opened from a URL."""

from __future__ import annotations

from eventsourcing.postgres import PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

POOL = 2
"""Connections kept open by one worker: one decides, one relays."""


class SchemaDatastore(PostgresDatastore):
    """All parameters of the URL count (sslmode, target_session_attrs …); `search_path` is the stage's schema."""

    def __init__(self, conninfo: str, schema: str, pool_size: int = POOL) -> None:
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
        options = f"{parts.pop('options', '') or ''} -c search_path={schema},public -c jit=off"
        pool_kwargs = self.pool.kwargs
        assert isinstance(pool_kwargs, dict)  # noqa: S101
        pool_kwargs.update({**parts, "options": options.strip(), "application_name": f"postavka-{schema}"})
