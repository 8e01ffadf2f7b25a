"""Sample users are offered where they are, and only there."""

from __future__ import annotations

import asyncio

from postavka.app.migrations import migrate_all
from postavka.app.one_box.banner import SHOWN, sign_in, unfinished, who_signs_in
from postavka.app.one_box.launcher import SAMPLE
from postavka.domain.reference.file import read_file
from postavka.domain.reference.store import load
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.web.identity.sample import PASSWORD, make_sample_users


def test_nobody_is_offered_where_nobody_can_sign_in(database: str) -> None:
    load(database, read_file(SAMPLE), "test")
    assert who_signs_in(database) == []
    said = sign_in([])
    assert PASSWORD not in said
    assert "postavka user add" in said


def test_sample_users_that_are_there_are_offered(database: str) -> None:
    load(database, read_file(SAMPLE), "test")
    asyncio.run(make_sample_users(database))
    assert who_signs_in(database) == list(SHOWN)
    assert PASSWORD in sign_in(["ops"])
    assert "lukomor" not in sign_in(["ops"])


def test_an_upgrade_that_is_not_finished_is_told(bare_database: str) -> None:
    migrate(bare_database, "billing", EVENT_STORE)  # an earlier release was here
    migrate_all(bare_database)
    assert "postavka migrate --finish" in str(unfinished(bare_database))
    migrate_all(bare_database, finish=True)
    assert unfinished(bare_database) is None
