"""Brings a new home folder to where one in use is."""

from __future__ import annotations

import psycopg

from postavka.kernel.settings import Settings, database_url

LOG_FILES = 60
"""Of 16 MB each: what `min_wal_size` keeps."""


def make_log_files(config: Settings) -> None:
    """Write through some files of PostgreSQL's write-ahead log, and let it keep them for later.

    From its first checkpoint on PostgreSQL writes into old files, whose blocks are there. Until then, a quarter of an
    hour, each commit makes the filesystem look for new ones.
    """
    with psycopg.connect(database_url(config), autocommit=True) as session:
        for _ in range(LOG_FILES):
            session.execute("SELECT pg_logical_emit_message(false, 'postavka', '')")
            session.execute("SELECT pg_switch_wal()")
        session.execute("CHECKPOINT")
