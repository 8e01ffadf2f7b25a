"""For tests that share a database and have homes of their own."""

from __future__ import annotations

import psycopg

from postavka.kernel.privacy.installation_keys import MIGRATIONS, SCHEMA
from postavka.kernel.store.migration import migrate


def forget_keys(url: str) -> None:
    """The next home's keys are registered anew."""
    migrate(url, SCHEMA, MIGRATIONS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM keys.fingerprints")
