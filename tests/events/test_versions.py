"""Until an upgrade is finished, events are written as the release before wrote them, and nothing is lost by it."""

from __future__ import annotations

import json

import pytest

from events import export
from events.registry import MESSAGES, decode, encode
from events.samples import samples
from events.topics import STAGE_TOPICS
from events.upcasting import UPCASTERS
from events.versions import CONTRACT, HELD_BACK, written


@pytest.mark.parametrize("name", HELD_BACK)
def test_a_held_back_version_is_written_as_the_one_before_to_the_byte(name: str) -> None:
    contract, before, _ = HELD_BACK[name]
    assert UPCASTERS[before][0] == name
    golden = [
        json.loads(line)["value"].encode() for line in (export.GOLDEN / f"{before}.jsonl").read_bytes().splitlines()
    ]
    for body in golden:
        assert written(decode(before, body), contract - 1) == (before, body)


@pytest.mark.parametrize("name", HELD_BACK)
def test_what_is_left_out_is_filled_in_again(name: str) -> None:
    for message in samples(MESSAGES[name]):
        kind, body = written(message, HELD_BACK[name][0] - 1)
        assert kind != name
        if getattr(message, "request_type", None) in (None, "1c8-updates-and-addons"):
            assert decode(kind, body) == message


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_once_it_is_finished_everything_is_written_as_it_is(name: str) -> None:
    for message in samples(MESSAGES[name]):
        assert written(message, CONTRACT) == (name, encode(message))


def test_only_stages_hold_back() -> None:
    """They alone ask `written`."""
    assert {message.TYPE for topic in STAGE_TOPICS for message in topic.carries} >= HELD_BACK.keys()
    assert all(0 < contract <= CONTRACT for contract, _, _ in HELD_BACK.values())
