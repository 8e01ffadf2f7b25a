"""What of a record is shown before somebody asks for all of it. Pure.

Nothing goes by the names of fields: whoever may write to an input topic chooses them. A text stays readable by its
form, where it is an id, a moment, a day, a sum, a short number or a code word in small letters; every other text is
covered, and so is a long number, and what is no JSON. What is encrypted on the log is covered too.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import orjson

from postavka.kernel.log.record import RawHeaders

COVER = "•••"
LONGEST_NUMBER = 10**9
PLAIN = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(/\d{1,9})?"  # an id, of an event with its version
    r"|\d{4}-\d{2}-\d{2}(T[0-9:.]{5,15}(Z|[+-]\d{2}:\d{2}))?"
    r"|-?\d{1,12}\.\d{2}|\d{1,9}"
    r"|[a-z][a-z0-9._-]{0,39}"
)
ENVELOPE = re.compile(r"ce_[a-z]{1,20}|traceparent|content-type|datacontenttype")
"""Headers that say what a record is, shown when they are printable: senders who put a person's data there put it where
every router of the log writes it down."""


def masked(value: Any) -> Any:
    """A JSON value with its texts covered but for those of a plain form. Names of fields are shown as far as they are
    code words."""
    match value:
        case str():
            return value if PLAIN.fullmatch(value) else COVER
        case dict():
            return {name if PLAIN.fullmatch(name) else COVER: masked(each) for name, each in value.items()}
        case list():
            return [masked(each) for each in value]
        case int() if abs(value) >= LONGEST_NUMBER:
            return COVER
        case _:
            return value


def masked_bytes(data: bytes | None) -> str:
    """A key or a body for people, covered."""
    if data is None:
        return ""
    try:
        read = orjson.loads(data)
    except ValueError:
        return _masked_text(data)
    return _pretty(masked(read)) if isinstance(read, (dict, list)) else _masked_text(data)


def _masked_text(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return text if PLAIN.fullmatch(text) else COVER


def masked_headers(headers: RawHeaders) -> list[tuple[str, str]]:
    """Headers for people, covered but for those of the envelope."""
    found = []
    for name, value in headers:
        text = (value or b"").decode("utf-8", "replace")
        if ENVELOPE.fullmatch(name) and text.isprintable():
            found.append((name, text[:300]))
        else:
            found.append((name if PLAIN.fullmatch(name) else COVER, text if PLAIN.fullmatch(text) else COVER))
    return found


def readable(data: bytes | None) -> str:
    """All of a key or a body for people: text as it is, JSON indented, other bytes in base64."""
    if data is None:
        return ""
    try:
        return _pretty(orjson.loads(data))
    except ValueError:
        pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
