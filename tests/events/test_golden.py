"""Records of every version that ever was are read for ever.

`events/golden/<Type>.v<N>.jsonl` holds them as they lay on Kafka. They are written once, by `python -m events.export`,
and never again: if a test here fails, the code is wrong and not the record.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from events import export
from events.approval import Approved, Rejected
from events.envelope import Envelope
from events.model import Event
from events.registry import MESSAGES, decode, encode, read_fields
from events.schema import Schema
from events.upcasting import UPCASTERS

FILES = sorted(export.GOLDEN.glob("*.jsonl"))


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def headers(record: dict[str, Any]) -> list[tuple[str, bytes | None]]:
    return [(name, value.encode()) for name, value in record["headers"]]


def test_every_version_has_its_records_and_its_schema():
    versions = MESSAGES.keys() | UPCASTERS.keys()
    told = "run `python -m events.export` and commit what it writes; what was committed is never removed"
    assert versions == {path.name.removesuffix(".jsonl") for path in FILES}, told
    assert versions == {path.name.removesuffix(".json") for path in export.SCHEMAS.glob("*.v*.json")}, told


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_messages_are_read(path: Path):
    found = records(path)
    assert len(found) >= 2
    for record in found:
        envelope = Envelope.read(headers(record))
        assert envelope.type == path.stem
        assert envelope.subject == record["key"]
        assert headers(record) == envelope.headers()
        body = record["value"].encode()
        message = decode(envelope.type, body)
        newest, _ = read_fields(envelope.type, body)
        assert newest == message.TYPE
        assert decode(newest, encode(message)) == message
        if isinstance(message, Event) and newest == envelope.type:
            assert encode(message) == body, "what a stage writes has changed its form"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_bodies_fit_the_schema_of_their_version(path: Path):
    schema: Schema = json.loads((export.SCHEMAS / f"{path.stem}.json").read_bytes())
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for record in records(path):
        validator.validate(json.loads(record["value"]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_records_make_every_choice_that_the_schema_leaves(path: Path):
    """A choice that no record makes could be taken away without a test noticing it."""
    schema: Schema = json.loads((export.SCHEMAS / f"{path.stem}.json").read_bytes())
    bodies = [json.loads(record["value"]) for record in records(path)]
    assert not list(_choices_not_made(schema, schema, bodies, path.stem))


def _choices_not_made(root: Schema, part: Schema, values: list[Any], place: str) -> list[str]:
    if "$ref" in part:
        part = root["$defs"][part["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in part:
        null = {"type": "null"} in part["anyOf"]
        missing = [f"{place} is never null"] if null and None not in values else []
        given = [value for value in values if value is not None]
        options = [option for option in part["anyOf"] if option != {"type": "null"}]
        return missing + (_choices_not_made(root, options[0], given, place) if len(options) == 1 else [])
    if not values:
        return [f"{place} is never given"]
    if "enum" in part:
        return [f"{place} is never {member}" for member in part["enum"] if member not in values]
    match part.get("type"):
        case "boolean":
            return [f"{place} is never {value}" for value in (True, False) if value not in values]
        case "array":
            missing = [] if [] in values else [f"{place} is never empty"]
            return missing + _choices_not_made(root, part["items"], [item for value in values for item in value], place)
        case "object":
            return [
                missing
                for name, inner in part.get("properties", {}).items()
                for missing in _choices_not_made(
                    root, inner, [value[name] for value in values if name in value], f"{place}.{name}"
                )
            ]
        case "string" if "format" not in part and "pattern" in part and part.get("maxLength", 0) <= 2_000:
            longest = max(len(value) for value in values)
            return [] if longest == part["maxLength"] else [f"{place} is never as long as it may be"]
    return []


def test_recording_never_touches_what_is_recorded(tmp_path: Path):
    first = export.record(tmp_path)
    assert {path.name for path in first} == {f"{name}.jsonl" for name in MESSAGES}
    kept = tmp_path / f"{Approved.TYPE}.jsonl"
    kept.write_bytes(b"as it was\n")
    (tmp_path / f"{Rejected.TYPE}.jsonl").unlink()
    assert [path.name for path in export.record(tmp_path)] == [f"{Rejected.TYPE}.jsonl"]
    assert kept.read_bytes() == b"as it was\n"
