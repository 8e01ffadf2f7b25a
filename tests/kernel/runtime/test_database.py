"""The server has the settings that it was made with."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from postavka.kernel.runtime import database
from postavka.kernel.runtime.database import SETTINGS, memory_mb, shared_buffers_mb
from postavka.kernel.runtime.embedded import Endpoints


@pytest.mark.parametrize(
    ("memory", "pages"), [(512, 128), (2_000, 200), (8_000, 800), (24_000, 2_048), (512_000, 2_048)]
)
def test_a_tenth_of_the_memory_is_for_pages_within_bounds(memory: int, pages: int):
    assert shared_buffers_mb(memory) == pages


def test_a_container_has_the_memory_that_it_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    limit, none = tmp_path / "memory.max", tmp_path / "memory.limit_in_bytes"
    monkeypatch.setattr(database, "MEMORY_LIMITS", (limit, none))
    of_machine = memory_mb()
    limit.write_text("max\n")
    assert memory_mb() == of_machine
    limit.write_text(f"{300 * 1024**2}\n")
    assert memory_mb() == 300


def test_they_are_in_effect(servers: Endpoints):
    with psycopg.connect(servers.database_url) as session:
        applied = "SELECT name, setting FROM pg_file_settings WHERE applied AND error IS NULL"
        found = dict(session.execute(applied).fetchall())
    wanted = SETTINGS | {"shared_buffers": f"{shared_buffers_mb(memory_mb())}MB"}
    assert {name: found.get(name) for name in wanted} == wanted
