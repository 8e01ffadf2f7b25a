"""Two releases, one after the other: what the older one can't read is parked, and taken up by the newer one. The log
has both versions of an event, and everything that reads it works across both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest

from events.activation import ActivationRefused
from events.approval import Approved
from postavka.kernel.projection.rebuild import rebuild
from postavka.kernel.settings import environment
from services.audit.history.history import history
from services.audit.replay.replay import ReplayOrder, replay
from services.audit.verification.verify import verify
from services.cabinet.rebuild import MODEL
from tests.paths import PROJECT
from tests.system.conftest import System, wait_until
from tests.system.traffic import NO_CONTRACT, THROUGH_DISTRIBUTOR


@contextmanager
def older(system: System, service: str, *names: str) -> Iterator[None]:
    """The older release of a service in the place of the newer one."""
    system.stop(service)
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.system.old_release", service, *names],
        cwd=PROJECT,
        env={**os.environ, **environment(system.config), "POSTAVKA_HOME": str(system.launch.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(30)
        system.start(service)


def test_what_the_older_cabinet_can_not_read_is_kept_and_taken_up_by_the_newer(system: System):
    sent = system.traffic()

    def unread() -> int:
        with psycopg.connect(system.database_url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM cabinet.unread WHERE type = %s", (ActivationRefused.TYPE,)
            ).fetchone()
        return row[0] if row else 0

    with older(system, "cabinet", "ActivationRefused"):
        sent.run(2, 10, plans=(NO_CONTRACT,))
        wait_until(lambda: unread() == 2, "the older cabinet has put two events aside")
    wait_until(lambda: unread() == 0, "the newer cabinet has taken them up")
    system.check(sent.plans)


def test_what_the_older_stage_can_not_read_is_a_dead_letter_and_is_taken_at_another_try(system: System):
    sent = system.traffic()

    def letters() -> list[dict[str, object]]:
        found = json.loads(system.cli("dead-letters", "list", "--stage", "billing", "--json"))
        return [letter for letter in found if letter["code"] == "unknown-type" and letter["request"] is None]

    before = len(letters())
    with older(system, "billing", "Approved"):
        running = sent.in_background(1, 10, plans=(THROUGH_DISTRIBUTOR,))
        wait_until(lambda: len(letters()) == before + 1, "the older billing has put the approval aside")
    wait_until(lambda: system.is_well("billing"), "the newer billing is at work")
    system.cli("dead-letters", "retry", "billing/all")
    running.join()
    system.check(sent.plans)
    (request,) = sent.plans
    entries = history(system.config, UUID(request)).entries
    letter = next(entry for entry in entries if entry.kind == "dead-letter")
    assert letter.note == "taken at a later try"
    assert entries[(letter.cause or 0) - 1].type == Approved.TYPE


@pytest.fixture
def of_old(system: System) -> UUID:
    """A request whose refused activation is of version 1, as a log of years has it; written by its own stage."""
    sent = system.traffic()
    with older(system, "activation", "ActivationRefused"):
        sent.run(1, 10, plans=(NO_CONTRACT,))
    wait_until(lambda: system.is_well("activation"), "the newer activation is at work")
    system.settle()
    (request,) = sent.plans
    return UUID(request)


def test_history_replay_verify_and_rebuild_work_across_both_versions(system: System, of_old: UUID):
    sent = system.traffic()
    sent.run(1, 10, plans=(NO_CONTRACT,))
    system.settle()
    with psycopg.connect(system.database_url) as connection:
        kept = connection.execute(
            "SELECT topic, convert_from(state, 'UTF8')::jsonb ? 'contract' FROM activation.stored_events "
            "WHERE topic LIKE 'ActivationRefused.%%' AND originator_id = ANY(%s) ORDER BY topic",
            ([of_old, *map(UUID, sent.plans)],),
        ).fetchall()
    assert kept == [("ActivationRefused.v1", False), ("ActivationRefused.v2", True)]  # old records stay as they are
    refused = next(e for e in history(system.config, of_old).entries if e.type.startswith("ActivationRefused"))
    assert refused.type == "ActivationRefused.v1"
    assert refused.fields["contract"] is None  # read as the newest
    both = (str(of_old), *sent.plans)
    assert replay(system.config, ReplayOrder(requests=both)).requests == {}
    before = {each.place for each in verify(system.config).findings.problems if each.code != "foreign"}
    assert not before
    rebuild(system.config, MODEL)
    assert not {each.place for each in verify(system.config).findings.problems if each.code != "foreign"}
