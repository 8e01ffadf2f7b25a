"""Rows as lines of the text format of PostgreSQL's COPY."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

NULL = b"\\N"
_ESCAPED = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}


def json_field(value: Any) -> bytes:
    """A JSON column; None is NULL."""
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
    """One row."""
    return b"\t".join(fields) + b"\n"
