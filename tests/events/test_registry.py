"""Reading bodies: as the newest version, through upcasters, or a refusal that says where and tells no values (L20: what
ran under an older order is read for ever)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import events
from events import registry, upcasting
from events.approval import Approved
from events.commands import SubmitRequest
from events.model import Event, Id
from events.registry import MESSAGES, BadBody, UnknownType, decode, encode, read_fields
from events.request import REQUEST_TYPE
from events.samples import samples
from events.upcasting import UPCASTERS


class Greeted(Event):
    """The newest of three versions: v1 had a name in one piece, v2 had no language."""

    TYPE: ClassVar[str] = "Greeted.v3"

    given_name: Id
    family_name: Id
    language: Id


def _v1_to_v2(fields: dict[str, Any]) -> dict[str, Any]:
    given_name, family_name = fields["name"].split(" ")
    return {"given_name": given_name, "family_name": family_name}


@pytest.fixture
def greeted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MESSAGES, "Greeted.v3", Greeted)
    monkeypatch.setitem(UPCASTERS, "Greeted.v1", ("Greeted.v2", _v1_to_v2))
    monkeypatch.setitem(UPCASTERS, "Greeted.v2", ("Greeted.v3", lambda fields: {**fields, "language": "ru"}))


ANNA = Greeted(given_name="Анна", family_name="Иванова", language="ru")


@pytest.mark.usefixtures("greeted")
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Greeted.v1", '{"name": "Анна Иванова"}'),
        ("Greeted.v2", '{"given_name": "Анна", "family_name": "Иванова"}'),
        ("Greeted.v3", '{"given_name": "Анна", "family_name": "Иванова", "language": "ru"}'),
    ],
)
def test_every_version_is_read_as_the_newest(name: str, body: str):
    assert decode(name, body.encode()) == ANNA
    assert read_fields(name, body.encode()) == ("Greeted.v3", ANNA.model_dump())


@pytest.mark.usefixtures("greeted")
@pytest.mark.parametrize("name", ["Greeted.v4", "Greeted.v0", "Greeted", "greeted.v3", "", "Approved.v999", "Approved"])
def test_an_unknown_version_is_unknown_and_not_guessed(name: str):
    with pytest.raises(UnknownType):
        decode(name, b"{}")
    with pytest.raises(UnknownType):
        read_fields(name, b"{}")


@pytest.mark.usefixtures("greeted")
@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"null",
        b"[]",
        b'"name"',
        b"{}",
        b'{"name": 7}',
        '{"name": "Мадонна"}'.encode(),
        b'{"name": " "}',
        b'{"name": "\xff"}',
        b"{",
        b'{"name": NaN}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("name", ["Greeted.v1", "Greeted.v2", "Greeted.v3"])
def test_a_bad_body_of_an_old_version_is_a_bad_body_and_nothing_worse(name: str, body: bytes | None):
    with pytest.raises(BadBody) as refused:
        decode(name, body)
    assert "Мадонна" not in str(refused.value)


def test_the_upcasters_lead_to_the_newest_versions():
    for name in UPCASTERS:
        seen = [name]
        while seen[-1] in UPCASTERS:
            following = UPCASTERS[seen[-1]][0]
            assert following not in seen, f"{name} goes in circles: {seen}"
            base, _, number = seen[-1].rpartition(".v")
            assert following == f"{base}.v{int(number) + 1}", f"{seen[-1]} is lifted to {following}"
            seen.append(following)
        assert seen[-1] in MESSAGES, f"{name} ends at {seen[-1]}, which nothing reads"
        assert name not in MESSAGES, f"{name} is both the newest and an old version"


def test_names_are_unique_and_versioned():
    for name, model in MESSAGES.items():
        base, _, number = name.rpartition(".v")
        assert number.isdigit()
        assert name == model.TYPE
        assert [other for other in MESSAGES if other.rpartition(".v")[0] == base] == [name], (
            f"two versions of {base} are called the newest"
        )


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_sample_is_read_back_as_it_was(name: str):
    for message in samples(MESSAGES[name]):
        assert decode(name, encode(message)) == message


# Refusals say where, and never what


SECRET = "Тайна-7734"


def _planted(value: Any) -> list[tuple[str, Any]]:
    """`value` with the secret in the place of each part in turn, with the names on the way to it."""
    found: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            found.append((key, {**value, key: {"id": SECRET}}))
            found.append((key, {**value, key: SECRET + "\x00" * 3}))
            found += [(place, {**value, key: changed}) for place, changed in _planted(inner)]
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found += [(place, [*value[:number], changed, *value[number + 1 :]]) for place, changed in _planted(inner)]
    return found


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_bad_value_is_told_by_its_place_and_not_by_itself(name: str):
    fields = orjson.loads(encode(samples(MESSAGES[name])[0]))
    planted = _planted(fields)
    assert planted
    for place, changed in planted:
        if place in ("signature", "title") and isinstance(changed[place], str):
            continue  # any text is taken here: whether it is base64 is for the stage to say
        with pytest.raises(BadBody) as refused:
            decode(name, orjson.dumps(changed))
        assert place in str(refused.value)
        assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_field_that_the_contract_does_not_know_is_refused(name: str):
    fields = orjson.loads(encode(samples(MESSAGES[name])[0]))
    with pytest.raises(BadBody, match="stranger"):
        decode(name, orjson.dumps({**fields, "stranger": 1}))
    with pytest.raises(BadBody) as refused:
        decode(name, orjson.dumps({**fields, "a\x00\n" + "b" * 100_000: 1}))
    assert "\x00" not in str(refused.value)
    assert "ab" in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b"\xff\xfe", b'{"a":"\xff"}', b"7", b'"text"', b"{}x", b"[" * 9999]
)
@pytest.mark.parametrize("name", [Approved.TYPE, SubmitRequest.TYPE])
def test_what_is_no_object_in_json_is_refused(name: str, body: bytes):
    with pytest.raises(BadBody):
        decode(name, body)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_the_body_holds_it_is_read_or_refused(body: bytes):
    with pytest.raises(BadBody):
        decode(Approved.TYPE, body)


@pytest.mark.parametrize("version", ["Approved.v1", "Approved.v2"])
def test_an_approval_of_an_earlier_version_is_of_the_letters_request_type(version: str):
    record = (Path(events.__file__).parent / "golden" / f"{version}.jsonl").read_text("utf-8").splitlines()[0]
    body = orjson.loads(record)["value"]
    assert "request_type" not in orjson.loads(body)
    approved = decode(version, body.encode())
    assert isinstance(approved, Approved)
    assert approved.request_type == REQUEST_TYPE


def test_an_upcaster_that_fails_never_tells_what_it_saw(monkeypatch: pytest.MonkeyPatch):
    def lift(fields: dict[str, Any]) -> dict[str, Any]:
        raise ValueError(f"what is {fields}?")

    monkeypatch.setitem(UPCASTERS, "Secret.v1", ("Secret.v2", lift))
    with pytest.raises(BadBody, match=r"Secret\.v1: ValueError") as refused:
        registry.decode("Secret.v1", orjson.dumps({"secret": SECRET}))
    assert SECRET not in str(refused.value)
    with pytest.raises(upcasting.NotLifted):
        upcasting.upcast("Secret.v1", {})
