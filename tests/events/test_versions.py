"""Until an upgrade is finished, events are written as the release before wrote them, and nothing is lost by it."""

from __future__ import annotations

import json

import pytest

from events import export
from events.registry import MESSAGES, decode, encode
from events.samples import samples
from events.topics import STAGE_TOPICS
from events.upcasting import UPCASTERS
from events.versions import ADDED, CONTRACT, HELD_BACK, NEW, ContractUnfinished, spoken, written


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
        try:
            kind, body = written(message, HELD_BACK[name][0] - 1)
        except ContractUnfinished:
            assert getattr(message, ADDED[name][1]) is not None, "only what the version before can't say may wait"
            continue
        assert kind != name
        if getattr(message, "request_type", None) in (None, "1c8-updates-and-addons"):
            assert decode(kind, body) == message


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_once_it_is_finished_everything_is_written_as_it_is(name: str) -> None:
    for message in samples(MESSAGES[name]):
        if name not in ADDED or getattr(message, ADDED[name][1]) is not None:
            assert written(message, CONTRACT) == spoken(message) == (name, encode(message))


@pytest.mark.parametrize("name", ADDED)
def test_what_says_nothing_new_goes_out_as_the_version_before_to_the_byte(name: str) -> None:
    before, _ = ADDED[name]
    for line in (export.GOLDEN / f"{before}.jsonl").read_bytes().splitlines():
        body = json.loads(line)["value"].encode()
        message = decode(before, body)
        kind, said = spoken(message)
        assert (kind, decode(kind, said)) == (before, message)
        assert written(message, CONTRACT) == (kind, said)
        assert said == body or name not in HELD_BACK, "what a stage writes is the same to the byte"


def test_only_stages_hold_back() -> None:
    """They alone ask `written`."""
    assert {message.TYPE for topic in STAGE_TOPICS for message in topic.carries} >= HELD_BACK.keys()
    assert all(0 < contract <= CONTRACT for contract, _, _ in HELD_BACK.values())


@pytest.mark.parametrize("name", NEW)
def test_a_new_type_of_event_waits_until_the_release_before_need_not_read_it(name: str) -> None:
    assert {message.TYPE for topic in STAGE_TOPICS for message in topic.carries} >= {name}
    assert 0 < NEW[name] <= CONTRACT
    for message in samples(MESSAGES[name]):
        with pytest.raises(ContractUnfinished):
            written(message, NEW[name] - 1)
