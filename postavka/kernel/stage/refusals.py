"""The events that say no, and the code of their reason: for counting."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from events.model import Event, Reason
from events.registry import MESSAGES, read_fields

FIELDS = ("reason", "reasons")


@cache
def says_no(type_name: str) -> bool:
    """Does an event of this type carry a reason with a code: a refusal, a rejection, money that fits nothing?"""
    message = MESSAGES.get(type_name)
    if message is None or not issubclass(message, Event):
        return False
    found = (message.model_fields.get(name) for name in FIELDS)
    return any(field is not None and _is_reason(field.annotation) for field in found)


def codes(type_name: str, body: bytes) -> Iterator[str]:
    """Codes of the reasons that an event of the newest version gives; nothing for one that refuses nothing."""
    if says_no(type_name):
        fields = read_fields(type_name, body)[1]
        given = fields.get("reasons") or [fields.get("reason")]
        yield from (each["code"] for each in given if each)


def _is_reason(annotation: Any) -> bool:
    return annotation is Reason or any(map(_is_reason, get_args(annotation)))
