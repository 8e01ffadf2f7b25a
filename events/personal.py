"""The fields that hold personal data, and how they look on the log: `enc:v1:<key>:<base64>` in place of the text.

The type of a field stays what it was, a text: who has no keys sees that something is there, not what. A value that
nobody encrypted (an outside sender's) is read as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

PREFIX = "enc:v1:"
ENCRYPTED = re.compile(r"enc:v1:([A-Za-z0-9_-]{11}):([A-Za-z0-9+/]+={0,2})")
LONGEST = 2_000
"""Of a text, encrypted or not."""


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field, and says whose data it is."""

    person: tuple[str, ...]
    """Fields of the same message: the first that is filled in names the person, the others find it as well."""
    also: tuple[str, ...] = ()
    """Fields that may be several persons' in common: they find it, but don't name it."""


@cache
def personal_fields(model: type[BaseModel]) -> tuple[tuple[str, Personal], ...]:
    """Fields that are marked, with their marks."""
    return tuple(
        (name, mark)
        for name, field in model.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Personal)
    )


def is_encrypted(value: Any) -> bool:
    """Does this stand for something that can't be read without a key?"""
    return isinstance(value, str) and value.startswith(PREFIX) and ENCRYPTED.fullmatch(value) is not None


OF_CLIENT = Personal(("client_email", "client_phone"))
"""The user's contact in a request: its e-mail address, or else its telephone number, names the person."""
OF_CONTACT = Personal(("email",), ("phone",))
"""A partner's contact person: its e-mail address names it, or else `partner/contact`, which the writer adds."""
