"""The decoder, from a type name and bytes to a message: the one place where bodies are read and written.

Old versions are read as the newest through `events/upcasting.py`; the records themselves stay as they are.
"""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import ValidationError

from events.model import Message
from events.topics import ALL_TOPICS
from events.upcasting import UPCASTERS, NotLifted, newest_version, only_adds, upcast

MESSAGES: dict[str, type[Message]] = {message.TYPE: message for topic in ALL_TOPICS for message in topic.carries}
"""The newest version of every message, by its name on the wire."""

AS_THEY_ARE = {old: MESSAGES[newest_version(old)] for old in UPCASTERS if only_adds(old)}
"""Old versions whose bodies the newest model reads as they are: plain requests are written as version 1, and cost no
detour."""


class UnknownType(ValueError):
    """A type, or a version of one, that this release does not know: perhaps from a newer one."""


class BadBody(ValueError):
    """A body that does not fit its type; says where and why."""


def encode(message: Message) -> bytes:
    """The body as it goes on the wire and into the event store."""
    return message.__pydantic_serializer__.to_json(message)


def decode(type_name: str, body: bytes | None) -> Message:
    """Read a body as the newest version of its type.

    Raises `UnknownType`, or `BadBody` for what is not JSON, does not fit the model, or is empty.
    """
    model = MESSAGES.get(type_name) or AS_THEY_ARE.get(type_name)
    try:
        if model is not None:
            if not body:
                raise BadBody("the body is empty")
            message: Message = model.__pydantic_validator__.validate_json(body)
            return message
        if type_name in UPCASTERS:
            newest, fields = upcast(type_name, orjson.loads(body or b""))
            return MESSAGES[newest].model_validate_json(orjson.dumps(fields))
    except ValidationError as wrong:
        raise BadBody(explain(wrong)) from None
    except orjson.JSONDecodeError as wrong:
        raise BadBody(f"not JSON: {wrong}") from None
    except NotLifted as wrong:
        raise BadBody(str(wrong)) from None
    raise UnknownType(f"the type {type_name!r} is not known to this release")


def read_fields(type_name: str, body: bytes | None) -> tuple[str, dict[str, Any]]:
    """A stored event as plain JSON fields of its newest version, for projections that keep JSON: no validation, since
    it was validated when it was written. Raises like `decode`."""
    newest = type_name in MESSAGES
    if not newest and type_name not in UPCASTERS:
        raise UnknownType(f"the type {type_name!r} is not known to this release")
    try:
        fields = orjson.loads(body or b"")
    except orjson.JSONDecodeError as wrong:
        raise BadBody(f"not JSON: {wrong}") from None
    if not isinstance(fields, dict):
        raise BadBody("not a JSON object")
    if newest:
        return type_name, fields
    try:
        return upcast(type_name, fields)
    except NotLifted as wrong:
        raise BadBody(str(wrong)) from None


def fields_of(message: Message, only_said: bool = False) -> dict[str, Any]:
    """A message as plain JSON fields; `only_said` leaves out what its sender has left out. What an outsider wrote
    becomes fields through its model and not through `read_fields`, so that everybody sees what a stage obeys:
    `"accepted": 1` is `true`, a UUID is in lower case."""
    fields: dict[str, Any] = orjson.loads(message.model_dump_json(exclude_unset=True) if only_said else encode(message))
    return fields


def explain(wrong: ValidationError) -> str:
    """Every error of a body in one line: `field: what`. Values are left out: they may be personal data. The name of a
    field that is not ours is shortened, and what can't be printed in it is left out: it may be anything.
    """
    parts = []
    for error in wrong.errors(include_url=False, include_input=False, include_context=False)[:20]:
        place = ".".join("".join(filter(str.isprintable, str(step)))[:60] for step in error["loc"]) or "body"
        parts.append(f"{place}: {error['msg']}")
    return "; ".join(parts)
