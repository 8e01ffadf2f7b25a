"""What each tenant sees of an event is what is named, and nothing besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import orjson
import pytest
from pydantic import BaseModel

from events.registry import MESSAGES
from events.samples import samples
from events.topics import STAGE_TOPICS
from postavka.web.identity.principal import Role
from services.feed.views import VIEWS, Names, seen_by

STAGE_EVENTS = {event.TYPE: event for topic in STAGE_TOPICS for event in topic.carries}


def test_only_events_of_the_stages_are_told():
    assert VIEWS.keys() <= STAGE_EVENTS.keys()


@pytest.mark.parametrize("type_name", sorted(VIEWS))
def test_every_name_is_one_of_the_types_fields(type_name: str):
    for names in (VIEWS[type_name].partner, VIEWS[type_name].distributor or {}):
        assert list(_unknown(MESSAGES[type_name], names)) == []


@pytest.mark.parametrize("type_name", sorted(VIEWS))
def test_a_distributor_sees_no_more_than_the_partner(type_name: str):
    """So a distributor's event can be made of what is kept for the partner."""
    for sample in samples(MESSAGES[type_name]):
        fields = orjson.loads(sample.model_dump_json())
        by_partner = seen_by(Role.PARTNER, type_name, fields)
        assert by_partner is not None
        by_distributor = seen_by(Role.DISTRIBUTOR, type_name, fields)
        assert by_distributor is None or _is_part(by_distributor, by_partner)
        assert by_distributor is None or seen_by(Role.DISTRIBUTOR, type_name, by_partner) == by_distributor


def test_the_code_of_a_kit_is_the_partners():
    fields = {"kit": {"number": "1", "name": "Комплект", "code": "KX7Q"}, "channel": "distributor"}
    by_partner, by_distributor = (
        seen_by(role, "ShipmentIssued.v1", fields) for role in (Role.PARTNER, Role.DISTRIBUTOR)
    )
    assert by_partner == fields
    assert by_distributor == {"kit": {"number": "1", "name": "Комплект"}, "channel": "distributor"}


def test_how_to_reach_a_partners_people_is_not_told_to_a_distributor():
    contact = {"id": "c-1", "name": "Анна", "email": "anna@p.example", "phone": "+7"}
    assert seen_by(Role.PARTNER, "Approved.v3", {"contact": contact}) == {"contact": contact}
    assert seen_by(Role.DISTRIBUTOR, "Approved.v3", {"contact": contact}) == {"contact": {"id": "c-1", "name": "Анна"}}


@pytest.mark.parametrize(
    ("type_name", "field"),
    [("RequestSubmitted.v2", "submitted_by"), ("RequestWithdrawn.v1", "withdrawn_by"), ("Activated.v1", "actor")],
)
def test_the_name_of_a_program_is_its_partners(type_name: str, field: str):
    assert seen_by(Role.PARTNER, type_name, {field: "token:обмен"}) == {field: "token:обмен"}
    assert seen_by(Role.DISTRIBUTOR, type_name, {field: "token:обмен"}) == {field: "token"}
    assert seen_by(Role.DISTRIBUTOR, type_name, {field: "anna"}) == {field: "anna"}


def test_who_has_declined_a_document_is_told_without_its_programs_name():
    for role in (Role.PARTNER, Role.DISTRIBUTOR):
        assert seen_by(role, "DocumentDeclined.v1", {"declined_by": "token:склад"}) == {"declined_by": "token"}


def test_what_is_named_nowhere_is_told_to_nobody():
    assert seen_by(Role.PARTNER, "PaymentUnmatched.v1", {"purpose": "чужое"}) is None
    assert seen_by(Role.PARTNER, "Tomorrow.v1", {}) is None
    assert seen_by(Role.PARTNER, "ServiceLapsed.v1", {"service_until": "2027-03-15", "tomorrow": 1}) == {
        "service_until": "2027-03-15"
    }


def test_a_part_that_is_no_object_is_left_out():
    assert seen_by(Role.PARTNER, "ShipmentIssued.v1", {"kit": "KX7Q"}) == {"kit": None}


def _unknown(model: type[BaseModel], names: Names) -> Iterator[str]:
    for name, within in names.items():
        field = model.model_fields.get(name)
        if field is None:
            yield f"{model.__name__}.{name}"
        elif within is not None:
            parts = [each for each in _types(field.annotation) if issubclass(each, BaseModel)]
            assert parts, f"{model.__name__}.{name} is no object"
            for part in parts:
                yield from _unknown(part, within)


def _types(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for each in get_args(annotation):
        yield from _types(each)


def _is_part(small: Any, large: Any) -> bool:
    if isinstance(small, Mapping):
        return all(name in large and _is_part(value, large[name]) for name, value in small.items())
    return bool(small == large)
