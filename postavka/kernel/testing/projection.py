"""The specification of a read model: given what has happened, then these rows stand in its tables.

What a read model makes of events is a `TableRows`; its rows are looked at as COPY would write them into empty tables,
so that no case needs a server:

>>> from events.model import Event
>>> from postavka.kernel.projection.copy_format import line
>>> from postavka.kernel.projection.read_model import Copied
>>> class Switched(Event):
...     TYPE = "Switched.v1"
...     on: bool
>>> class Lamps:
...     def __init__(self):
...         self.on = {}
...     def take(self, type_name, fields, subject, time, trace):
...         self.on[subject] = fields["on"]
...         return True
...     def copied(self):
...         yield Copied("lamps", ("lamp", "is_on"), (line([field(lamp), field(on)]) for lamp, on in self.on.items()))

>>> given = ProjectionSpecification(Lamps).given
>>> given(Switched(on=True), Switched(on=False)).then("lamps", {"is_on": False})
>>> given().then("lamps")

What does not hold fails the test, and says what stands there:

>>> given(Switched(on=True)).then("lamps", {"is_on": False})
Traceback (most recent call last):
AssertionError: in lamps stands [{'is_on': 't'}] instead of [{'is_on': 'f'}]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events.model import Message
from events.registry import fields_of
from postavka.kernel.projection.copy_format import field
from postavka.kernel.projection.table_projection import TableRows

REQUEST = UUID(int=1)
"""Of which all events are, if nothing else is said."""


@dataclass(frozen=True, slots=True)
class ProjectionSpecification:
    """The cases of one read model. `rows` makes an empty set of rows: `ProjectionDefinition.entries`."""

    rows: Callable[[], TableRows]

    def given(self, *messages: Message, subject: UUID = REQUEST) -> _Tables:
        """These messages were read, one second after another from 2026-03-16 09:30 UTC. Read a second time, which
        happens after every crash, they change nothing: what does raises `AssertionError`."""
        once, twice = self.rows(), self.rows()
        for rows in (once, twice, twice):
            for second, message in enumerate(messages):
                time = f"2026-03-16T09:30:{second:02}Z"
                rows.take(message.TYPE, fields_of(message), str(subject), time, None)
        tables = _tables(once)
        if (again := _tables(twice)) != tables:
            raise AssertionError(f"read a second time, the same messages give {again} instead of {tables}")
        return _Tables(tables)


Rows = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class _Tables:
    tables: Mapping[str, Rows]

    def then(self, table: str, *rows: Mapping[str, Any]) -> None:
        """Exactly these rows stand in the table, in any order; columns that are not named may have any value."""
        columns = rows[0].keys() if rows else ()
        found = [{column: row[column] for column in columns} for row in self.tables.get(table, ())]
        wanted = [{column: field(row[column]).decode() for column in columns} for row in rows]
        if sorted(found, key=repr) != sorted(wanted, key=repr):
            raise AssertionError(f"in {table} stands {found} instead of {wanted}")


def _tables(rows: TableRows) -> dict[str, Rows]:
    return {
        copied.table: [
            dict(zip(copied.columns, row.decode().rstrip("\n").split("\t"), strict=True)) for row in copied.rows
        ]
        for copied in rows.copied()
    }
