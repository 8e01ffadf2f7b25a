"""The server has the settings that it was made with."""

from __future__ import annotations

import os

import psycopg
import pytest

from postavka.runtime.database import SETTINGS, shared_buffers_mb
from postavka.runtime.embedded import Endpoints


@pytest.mark.parametrize(
    ("memory", "pages"), [(512, 128), (2_000, 200), (8_000, 800), (24_000, 2_048), (512_000, 2_048)]
)
def test_a_tenth_of_the_memory_is_for_pages_within_bounds(memory: int, pages: int):
    assert shared_buffers_mb(memory) == pages


def test_they_are_in_effect(servers: Endpoints):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    with psycopg.connect(servers.database_url) as session:
        for name, wanted in (SETTINGS | {"shared_buffers": f"{shared_buffers_mb(memory)}MB"}).items():
            row = session.execute(
                "SELECT current_setting(%(name)s), "
                "(SELECT sourcefile LIKE '%%postgresql.conf' FROM pg_settings WHERE pg_settings.name = %(name)s)",
                {"name": name},
            ).fetchone()
            assert row is not None
            assert name == "log_line_prefix" or row[0] in (wanted, "2GB" if wanted == "2048MB" else wanted), (name, row)
