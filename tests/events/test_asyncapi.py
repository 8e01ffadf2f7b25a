"""The AsyncAPI document: valid by AsyncAPI's own schema, every reference resolves, and it says what the code says."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from events import asyncapi, export, topics
from events.approval import Approved
from events.asyncapi import channel_of, document, versions_of
from events.registry import MESSAGES
from events.upcasting import UPCASTERS
from postavka.kernel.settings import PARTITIONS

VENDORED = Path(__file__).parent / "asyncapi-schema"


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    return json.loads((export.SCHEMAS / "asyncapi.json").read_bytes())


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    return Draft7Validator(json.loads((VENDORED / f"{asyncapi.ASYNCAPI}.json").read_bytes()))


def test_the_vendored_schema_is_the_published_one():
    content = (VENDORED / f"{asyncapi.ASYNCAPI}.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() in (VENDORED / "ORIGIN.md").read_text(encoding="utf-8")


def test_the_committed_document_is_what_the_code_gives(committed: dict[str, Any]):
    assert committed == json.loads(export.pretty(document())), "run `python -m events.export` and commit what it writes"


def test_the_document_is_valid(committed: dict[str, Any], official: Draft7Validator):
    assert [f"{list(error.path)}: {error.message[:200]}" for error in official.iter_errors(committed)] == []


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("asyncapi",), "2.6.0"),
        (("channels", "request.events", "bindings", "kafka", "partitions"), "twelve"),
        (("channels", "request.events", "bindings", "kafka", "unknown"), 1),
        (("operations", "approval.sends.approval.events", "action"), "publish"),
        (("components", "messages", Approved.TYPE, "headers"), {"type": "no such type"}),
    ],
)
def test_the_official_schema_notices_mistakes(
    committed: dict[str, Any], official: Draft7Validator, place: tuple[str, ...], wrong: Any
):
    planted = json.loads(json.dumps(committed))
    part = planted
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = wrong
    assert not official.is_valid(planted)


def test_every_reference_resolves(committed: dict[str, Any]):
    found = list(_references(committed))
    assert found
    for reference in found:
        _resolve(committed, reference)
    for path in export.SCHEMAS.glob("*.v*.json"):
        schema = json.loads(path.read_bytes())
        for reference in _references(schema):
            _resolve(schema, reference)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _resolve(root: Any, reference: str) -> Any:
    file, _, pointer = reference.partition("#")
    value = json.loads((export.SCHEMAS / file).read_bytes()) if file else root
    for step in pointer.split("/")[1:]:
        value = value[step.replace("~1", "/").replace("~0", "~")]
    return value


def test_channels_are_the_topics(committed: dict[str, Any]):
    channels = committed["channels"]
    assert {channel["address"] for channel in channels.values()} == {topic.name for topic in topics.ALL_TOPICS}
    for topic in topics.ALL_TOPICS:
        channel = channels[channel_of(topic)]
        kafka = channel["bindings"]["kafka"]
        assert kafka["partitions"] == PARTITIONS
        assert kafka["topicConfiguration"] == {"cleanup.policy": ["delete"], "retention.ms": -1}
        assert set(channel["messages"]) == {name for message in topic.carries for name in versions_of(message)}
        assert set(channel.get("parameters", {})) == set(re.findall(r"\{(\w+)\}", topic.name))


def test_every_message_of_the_code_is_in_the_document(committed: dict[str, Any]):
    messages = committed["components"]["messages"]
    assert messages.keys() == MESSAGES.keys() | UPCASTERS.keys()
    for name, message in messages.items():
        assert _resolve(committed, message["payload"]["$ref"])["title"] == name


def test_each_topic_has_its_writers_and_its_readers(committed: dict[str, Any]):
    for topic in topics.ALL_TOPICS:
        reference = f"#/channels/{channel_of(topic)}"
        operations = [one for one in committed["operations"].values() if one["channel"]["$ref"] == reference]
        senders = [one["tags"][0]["name"] for one in operations if one["action"] == "send"]
        receivers = [one["tags"][0]["name"] for one in operations if one["action"] == "receive"]
        assert ", ".join(senders) == topic.writer
        assert tuple(receivers) == topic.readers
        assert receivers
        if topic in topics.STAGE_TOPICS:
            assert topic.writer not in receivers, "a stage doesn't read what it wrote"
            assert senders == [topic.name.partition(".")[0]], "one topic a stage, written by it alone"


def test_examples_fit_their_schemas(committed: dict[str, Any]):
    for name, message in committed["components"]["messages"].items():
        payload = Draft202012Validator(_resolve(committed, message["payload"]["$ref"]))
        parts = [_resolve(committed, part["$ref"]) if "$ref" in part else part for part in message["headers"]["allOf"]]
        for example in message.get("examples", []):
            payload.validate(example["payload"])
            for part in parts:
                Draft202012Validator(part).validate(example["headers"])
        assert message.get("examples") or name in UPCASTERS


def test_an_old_version_stays_in_the_document(monkeypatch: pytest.MonkeyPatch, official: Draft7Validator):
    monkeypatch.setitem(UPCASTERS, "Approved.v0", (Approved.TYPE, dict))
    monkeypatch.setitem(UPCASTERS, "Approved.v00", ("Approved.v0", dict))
    made = document()
    assert set(made["channels"]["approval.events"]["messages"]) >= {Approved.TYPE, "Approved.v0", "Approved.v00"}
    assert made["components"]["messages"]["Approved.v0"]["payload"] == {"$ref": "./Approved.v0.json"}
    assert official.is_valid(json.loads(export.pretty(made)))
