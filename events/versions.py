"""The version of an event that is written while an installation may still go back to the release before.

A release that brings a new version of an event gets the next number of `CONTRACT`, and an entry in `HELD_BACK`: how the
event is written until the installation has finished that contract. What is left out must be what the upcaster fills in
again (`events/upcasting.py`): nothing may be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from events.model import Message
from events.registry import encode

Fields = dict[str, Any]

CONTRACT = 1
"""The newest contract: every version that there is."""


def _without_request_type(fields: Fields) -> Fields:
    """There was one request type until version 3, and approval still takes no other (L4)."""
    return {name: value for name, value in fields.items() if name != "request_type"}


HELD_BACK: dict[str, tuple[int, str, Callable[[Fields], Fields]]] = {
    "Approved.v3": (1, "Approved.v2", _without_request_type),
}
"""New version → (the contract that brought it, the version before, how the fields become that one's)."""


def written(message: Message, finished: int) -> tuple[str, bytes]:
    """Type and body under which an event is written by an installation that has finished this contract."""
    name, fields = message.TYPE, None
    while (held := HELD_BACK.get(name)) is not None and finished < held[0]:
        fields = held[2](orjson.loads(encode(message)) if fields is None else fields)
        name = held[1]
    return name, encode(message) if fields is None else orjson.dumps(fields)
