"""The version under which a message is written.

A message that says none of what a version has added goes out as the version before, to the byte: who does not use the
new field need not know of it, and an older release reads it.

A release that brings a new version of an event gets the next number of `CONTRACT`, and an entry in `HELD_BACK`: how the
event is written until the installation has finished that contract. What is left out must be what the upcaster fills in
again (`events/upcasting.py`): nothing may be lost. What the version before can't say waits for the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from events.model import Message
from events.registry import encode

Fields = dict[str, Any]

CONTRACT = 2
"""The newest contract: every version that there is."""


class ContractUnfinished(Exception):
    """The event says what only a new version can say, and the installation may still go back to a release that does not
    know this version."""


def _without_request_type(fields: Fields) -> Fields:
    """There was one request type until version 3, and approval still takes no other (L4)."""
    return {name: value for name, value in fields.items() if name != "request_type"}


def _wait(fields: Fields) -> Fields:
    raise ContractUnfinished("`postavka migrate --finish` has to be called first, and the stages started anew")


ADDED: dict[str, tuple[str, str]] = {
    "SubmitRequest.v2": ("SubmitRequest.v1", "renews"),
    "RequestSubmitted.v2": ("RequestSubmitted.v1", "renews"),
}
"""Version → (the version before, the field that it has added and that may be None)."""

HELD_BACK: dict[str, tuple[int, str, Callable[[Fields], Fields]]] = {
    "Approved.v3": (1, "Approved.v2", _without_request_type),
    "RequestSubmitted.v2": (2, "RequestSubmitted.v1", _wait),
}
"""New version → (the contract that brought it, the version before, how the fields become that one's)."""

NEW: dict[str, int] = {"OverpaymentCredited.v1": 2}
"""New type of event on a topic that was there → the contract that brought it: the release before can't read it."""


def spoken(message: Message) -> tuple[str, bytes]:
    """Type and body under which a message goes out: the oldest version that says the same, where a field was added."""
    before, added = ADDED.get(message.TYPE, (message.TYPE, ""))
    if added and getattr(message, added) is None:
        return before, message.__pydantic_serializer__.to_json(message, exclude={added})
    return message.TYPE, encode(message)


def written(message: Message, finished: int) -> tuple[str, bytes]:
    """Type and body under which an event is written by an installation that has finished this contract. Raises
    `ContractUnfinished`."""
    if finished < NEW.get(message.TYPE, 0):
        _wait({})
    name, body = spoken(message)
    while (held := HELD_BACK.get(name)) is not None and finished < held[0]:
        name, body = held[1], orjson.dumps(held[2](orjson.loads(body)))
    return name, body
