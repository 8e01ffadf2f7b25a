"""For tests that share a database and have homes of their own."""

from __future__ import annotations

import psycopg


def forget_keys(url: str) -> None:
    """The next home's keys are registered anew."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM keys.fingerprints")
