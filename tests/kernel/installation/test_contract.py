"""What an installation writes is decided by what it has finished."""

from __future__ import annotations

import psycopg
import pytest

from events.versions import CONTRACT
from postavka.kernel.installation.contract import begin, finish, read_finished
from postavka.kernel.store.migration import EVENT_STORE, NotMigrated, migrate


def test_a_new_installation_is_finished_at_once(bare_database: str) -> None:
    with pytest.raises(NotMigrated, match="postavka migrate"):
        read_finished(bare_database)
    begin(bare_database)
    assert read_finished(bare_database) == CONTRACT


def test_one_that_has_worked_before_is_not(bare_database: str) -> None:
    migrate(bare_database, "billing", EVENT_STORE)
    begin(bare_database)
    begin(bare_database)
    assert read_finished(bare_database) == 0
    finish(bare_database)
    assert read_finished(bare_database) == CONTRACT
    begin(bare_database)
    assert read_finished(bare_database) == CONTRACT


def test_there_is_no_way_back(bare_database: str) -> None:
    begin(bare_database)
    with psycopg.connect(bare_database) as connection:
        connection.execute("UPDATE installation.contract SET finished = %s", (CONTRACT + 1,))
    finish(bare_database)  # by a release before
    assert read_finished(bare_database) == CONTRACT + 1
