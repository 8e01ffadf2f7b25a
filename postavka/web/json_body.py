"""JSON bodies, judged once for every call: what two readers would read differently is refused (I-JSON, RFC 7493).

A byte order mark before the text is passed over, as RFC 8259 allows: programs on Windows write one. An object that
names a field twice is refused. What is no JSON at all the framework says itself, and what a text may hold the models.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.types import Message, Receive

BOM = b"\xef\xbb\xbf"


class Twice(ValueError):
    """An object names this field twice."""


def fault(body: bytes) -> str | None:
    """What is wrong with it, in Russian; None: nothing that is ours to say."""
    try:
        json.loads(body, object_pairs_hook=_once)
    except Twice as twice:
        return f"Поле {str(twice)[:60]!r} названо в объекте дважды."
    except RecursionError:
        return "Слишком глубокая вложенность."
    except ValueError:
        pass
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Twice(name)
        found[name] = value
    return found


async def whole(receive: Receive) -> bytes | None:
    """The body, without a byte order mark; None when its sender has gone away."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts).removeprefix(BOM)


def again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more, then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
