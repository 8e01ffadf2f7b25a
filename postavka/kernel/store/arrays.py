"""Arrays for `unnest`, in PostgreSQL's binary form and of a type that their class names.

psycopg's own lists look for the type in their elements, in Python: at two elements a list that took a third of what a
batch costs, and a list of none, or of small numbers, is of another type, for which the statement is prepared anew.

Form (PostgreSQL's `array_send`): dimensions, has it NULLs, type of an element; length, lower bound; then each element
behind its length, -1 for NULL. All are big-endian and of four bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import chain
from struct import Struct, pack
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEAD = Struct("!iiIii").pack
_EMPTY = Struct("!iiI").pack
_LENGTH = Struct("!i").pack
_NULL = _LENGTH(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL's; it counts microseconds from here."""
_MICROSECOND = timedelta(microseconds=1)


class Texts(list[str | None]):
    """An array `text[]`."""


class Byteas(list[bytes | None]):
    """An array `bytea[]`."""


class Bigints(list[int]):
    """An array `bigint[]`."""


class Uuids(list[UUID]):
    """An array `uuid[]`."""


class Times(list[datetime]):
    """An array `timestamptz[]`; elements know their zone."""


def _head(count: int, nulls: bool, element: int) -> bytes:
    return _HEAD(1, nulls, element, count, 1) if count else _EMPTY(0, 0, element)


class _ArrayDumper(Dumper):
    format = Format.BINARY
    element: ClassVar[int]
    """The type of an element, as PostgreSQL numbers it."""


class _BytesDumper(_ArrayDumper):
    """Elements of any length."""

    def encoded(self, elements: Any) -> Iterable[bytes | None]:
        """Each element as PostgreSQL takes it."""
        return elements  # type: ignore[no-any-return]

    def dump(self, obj: Any) -> bytes:
        parts = [b""]
        nulls = False
        for data in self.encoded(obj):
            if data is None:
                parts.append(_NULL)
                nulls = True
            else:
                parts += (_LENGTH(len(data)), data)
        parts[0] = _head(len(obj), nulls, self.element)
        return b"".join(parts)


class _TextsDumper(_BytesDumper):
    element, oid = 25, 1009

    def encoded(self, elements: Any) -> Iterable[bytes | None]:
        spoken = self.connection.info.encoding if self.connection is not None else "utf-8"
        return (None if text is None else text.encode(spoken) for text in elements)


class _ByteasDumper(_BytesDumper):
    element, oid = 17, 1001


class _UuidsDumper(_BytesDumper):
    element, oid = 2950, 2951

    def encoded(self, elements: Any) -> Iterable[bytes | None]:
        return (None if each is None else each.bytes for each in elements)


class _BigintsDumper(_ArrayDumper):
    element, oid = 20, 1016

    def dump(self, obj: Iterable[int]) -> bytes:
        numbers = list(obj)
        return _head(len(numbers), False, self.element) + pack(
            "!" + "iq" * len(numbers), *chain.from_iterable((8, number) for number in numbers)
        )


class _TimesDumper(_BigintsDumper):
    element, oid = 1184, 1185

    def dump(self, obj: Any) -> bytes:
        return super().dump((time - _EPOCH) // _MICROSECOND for time in obj)


for _kind, _dumper in (
    (Texts, _TextsDumper),
    (Byteas, _ByteasDumper),
    (Bigints, _BigintsDumper),
    (Uuids, _UuidsDumper),
    (Times, _TimesDumper),
):
    psycopg.adapters.register_dumper(_kind, _dumper)
