"""The description of a read model, from which the kernel builds it anew out of the log (`rebuild.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from postavka.kernel.address import load
from postavka.kernel.log.record import Piece, Record
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.session import open_session

Unread = tuple[str, int, int, str, str]
"""Topic, partition, offset, the type that the record says it has, why it can't be read."""


@dataclass(frozen=True, slots=True)
class Copied:
    """Rows for one table, as COPY takes them (`copy_format.py`)."""

    table: str
    columns: Sequence[str]
    rows: Iterable[bytes]
    binary: bool = False


class Fold(Protocol):
    """Some partition numbers of all topics, folded in memory. Knows no database."""

    events: int
    unread: list[Unread]

    @property
    def marks(self) -> Mapping[str, Checkpoint]:
        """How far it has read, by `topic/partition`."""
        ...

    def take(self, piece: Piece) -> None:
        """Fold some records in. What can't be read goes to `unread`."""
        ...

    def copied(self) -> Iterator[Copied]:
        """All rows, once the end has been reached."""
        ...


class CatchingUp(Protocol):
    """The live projection, on the new tables: it folds in what has come since."""

    def marks(self, names: Sequence[str]) -> dict[str, int]:
        """Offset of the last record folded in, by `topic/partition`; -1 for none."""
        ...

    def project(self, records: Sequence[Record]) -> int:
        """Fold these records in and move the marks, in one transaction; returns how many counted."""
        ...


@dataclass(frozen=True, slots=True)
class ReadModel:
    """A read model: tables of one schema that are a fold of topics.

    `address` is where this object is found, `module:name`: the processes of a rebuild look for it there.
    `tables`: each with its key if rows of two partitions may be one (what each of them says is put together), or with
    nothing if they can't. `live` makes the live projection with its tables in the schema that it is given; it is given
    how far they have got, too. `reached` is for a projection that keeps its marks elsewhere and does more than fold: it
    goes on from those marks, so that the new tables may not be ahead of them. `together` says of which topics one share
    reads all partitions, since what belongs together may lie in several.
    """

    address: str
    schema: str
    tables: Mapping[str, Sequence[str]]
    topics: Callable[[Settings], Sequence[str]]
    prepare: Callable[[str], None]
    fold: Callable[[Settings], Fold]
    live: Callable[[Settings, str, Mapping[str, Checkpoint]], CatchingUp]
    reached: Callable[[psycopg.Connection[Any]], Mapping[str, Checkpoint]] | None = None
    together: Callable[[str], bool] = lambda topic: False

    @property
    def staging(self) -> str:
        """The schema in which the new tables are made."""
        return f"{self.schema}_next"

    def connect(self, config: Settings, schema: str | None = None) -> psycopg.Connection[Any]:
        """A connection to its schema, or to another one before it; in autocommit."""
        path = f"{schema},{self.schema},public" if schema else f"{self.schema},public"
        return open_session(
            database_url(config),
            {"search_path": path, "jit": "off"},
            application_name=f"postavka-rebuild-{self.schema}",
        )


def find(address: str) -> ReadModel:
    """The read model at this address."""
    found = load(address)
    assert isinstance(found, ReadModel)  # noqa: S101
    return found
