"""Rows for COPY of PostgreSQL: lines of its text format, or its binary form, in which nothing has to be looked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any
from uuid import UUID

import orjson

NULL = b"\\N"
_ESCAPED = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}


def json_field(value: Any) -> bytes:
    """A field of a JSON column; None is NULL."""
    return NULL if value is None else orjson.dumps(value).replace(b"\\", b"\\\\")


def json_text(text: str) -> bytes:
    """A JSON column, from JSON."""
    return text.encode().replace(b"\\", b"\\\\")


def field(value: Any) -> bytes:
    """A column of any other kind: what PostgreSQL reads from text. Objects and lists become JSON."""
    if value is None:
        return NULL
    if isinstance(value, str):
        return value.translate(_ESCAPED).encode()
    if isinstance(value, bool):
        return b"t" if value else b"f"
    return json_field(value) if isinstance(value, dict | list) else str(value).encode()


def line(fields: Iterable[bytes]) -> bytes:
    """The line that copies one row."""
    return b"\t".join(fields) + b"\n"


# The binary form

BEGIN, END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
_COUNT, _LENGTH, _JSONB = Struct("!h").pack, Struct("!i").pack, Struct("!iB").pack
_NOTHING = _LENGTH(-1)


def binary_row(subject: UUID, objects: Sequence[Any]) -> bytes:
    """The bytes that copy one row of a `uuid` and columns of `jsonb`; None is NULL."""
    parts = [_COUNT(1 + len(objects)), _LENGTH(16), subject.bytes]
    for each in objects:
        if each is None:
            parts.append(_NOTHING)
        else:
            text = orjson.dumps(each)
            parts += (_JSONB(len(text) + 1, 1), text)  # the form of jsonb, of which there is one
    return b"".join(parts)
