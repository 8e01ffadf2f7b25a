"""Permissions of our services on the broker: made from the typed topics, and those of release 6c4deb1."""

from __future__ import annotations

from pathlib import Path

from events.topics import ALL_TOPICS, Party
from postavka.app.broker_access.services import STANDS_FOR, command_lines, grants
from postavka.app.registry import SERVICES

RECORDED = Path(__file__).parent / "permissions_6c4deb1.txt"
SINCE = Path(__file__).parent / "permissions_since.txt"


def test_permissions_are_those_that_clusters_have_been_given() -> None:
    """Of release 6c4deb1, in its order, and beside them those of stages that have come since."""
    made = command_lines(grants(SERVICES, ["dist-north", "dist-south"]), "b:9092")
    recorded, since = RECORDED.read_text("utf-8").splitlines(), SINCE.read_text("utf-8").splitlines()
    assert [line for line in made if line not in since] == recorded
    assert [line for line in made if line in since] == since


def test_every_party_is_a_service_or_somebody_whom_one_stands_for() -> None:
    named = {party for topic in ALL_TOPICS for party in (*topic.writers, *topic.readers)}
    known = {*SERVICES, *(party for parties in STANDS_FOR.values() for party in parties)}
    outside = {Party.ADDRESSEE, Party.EVERY_STAGE, Party.PRIVACY}
    assert named - known == outside
