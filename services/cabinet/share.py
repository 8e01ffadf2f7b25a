"""One share of a rebuild, in a process of its own: `python -m services.cabinet.share 0,2,4`.

It folds these partition numbers of all stage topics in memory, copies the rows into the new table, and says on its
output, line by line, how far it is. Imports little: its start is most of the time of a small rebuild.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID

import orjson
import psycopg
from confluent_kafka import Message

from events.envelope import header_map
from events.registry import BadBody, UnknownType, read_fields
from postavka.log.record import partition_name
from postavka.log.tail import read_messages_to_end
from postavka.settings import Settings, database_url, environment, settings
from postavka.store.mark import Mark
from postavka.trouble import Trouble
from services.cabinet.fold import UNSHOWN, Row, check, fold, named, readable
from services.cabinet.table import SCHEMA, STAGE_OF, TOPICS, copy_rows

NEXT = "requests_next"
TELL_EVERY = 10_000

Unread = tuple[str, int, int, str, str]


class ShareFailed(Trouble):
    """The process of a share ended badly; the message has the end of what it said."""


class Folded:
    """What came of reading a stretch of the log. Made for millions of records: requests are known by the bytes of their
    headers until somebody asks for `rows`, since hashing a `UUID` costs as much as folding."""

    def __init__(self) -> None:
        self.unread: list[Unread] = []
        self.events = 0
        self._known: dict[bytes, tuple[UUID, Row]] = {}
        self._reached: dict[tuple[str, int], list[int]] = {}
        """Place → offset and position reached."""

    @property
    def rows(self) -> dict[UUID, Row]:
        """By request. Setting them says what is folded into from now on."""
        return dict(self._known.values())

    @rows.setter
    def rows(self, rows: Mapping[UUID, Row]) -> None:
        self._known = {str(subject).encode(): (subject, row) for subject, row in rows.items()}

    def row(self, subject: UUID) -> Row:
        """Of one request that was folded."""
        return self._known[str(subject).encode()][1]

    @property
    def marks(self) -> dict[str, Mark]:
        """By `topic/partition`. Setting them says where reading has been."""
        return {partition_name(*place): Mark(*reached) for place, reached in self._reached.items()}

    @marks.setter
    def marks(self, marks: Mapping[str, Mark]) -> None:
        self._reached = {_place(name): [mark.offset, mark.position] for name, mark in marks.items()}

    def take(self, message: Message) -> tuple[UUID, str] | None:
        """Fold one record in; returns whose row and which group changed, or None."""
        topic, partition = message.topic(), message.partition()
        reached = self._reached.get((topic, partition))
        if reached is None:
            reached = self._reached[topic, partition] = [-1, 0]
        reached[0] = message.offset()
        headers = dict(message.headers() or ())
        stage = STAGE_OF[topic]
        try:
            position = int(headers["ce_position"])
            if position <= reached[1]:
                return None
            type_name, fields = read_fields(headers["ce_type"].decode(), message.value())
            check(stage, type_name, fields)
            key, time = headers["ce_subject"], headers["ce_time"].decode()
            known = self._known.get(key)
            if known is None:
                subject = UUID(key.decode())
                known = self._of(subject, key) if type_name not in UNSHOWN else (subject, {})
        except (KeyError, ValueError, TypeError, AttributeError, UnknownType, BadBody) as wrong:
            said = header_map(message.headers() or ())
            self.unread.append((topic, partition, reached[0], named(said), readable(str(wrong))))
            return None
        reached[1] = position
        self.events += 1
        if type_name in UNSHOWN:
            return None
        fold(known[1], stage, type_name, fields, time, position)
        return known[0], stage

    def _of(self, subject: UUID, key: bytes) -> tuple[UUID, Row]:
        """The row of a request under this way of writing its id; ours is in small letters."""
        usual = str(subject).encode()
        known = self._known.setdefault(usual, (subject, {}))
        if key != usual:
            self._known[key] = known
        return known


def _place(name: str) -> tuple[str, int]:
    topic, _, number = name.rpartition("/")
    return topic, int(number)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a share says: events folded so far; with the last answer also marks and records that could not be read."""

    events: int
    marks: dict[str, Mark] | None
    unread: list[Unread]


class Share:
    """The process, seen from the rebuild. A context manager: leaving it ends the process."""

    def __init__(self, config: Settings, partitions: Sequence[int]) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "services.cabinet.share", ",".join(map(str, partitions))],
            env={**os.environ, **environment(config)},
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None  # noqa: S101
        self.output: IO[bytes] = self._process.stdout

    def read(self) -> Answer:
        """Wait for its next answer. Raises `ShareFailed`."""
        line = self.output.readline()
        if not line:
            raise ShareFailed(f"a share of the rebuild ended with status {self._process.wait()}; its error is above")
        said = orjson.loads(line)
        marks = said.get("marks")
        return Answer(
            said["events"],
            None if marks is None else {name: Mark(*mark) for name, mark in marks.items()},
            [tuple(each) for each in said.get("unread", ())],
        )

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        self.output.close()


def main(config: Settings, partitions: Sequence[int]) -> None:
    """Fold, copy, tell."""
    gc.disable()  # folding makes rows, not cycles: looking for those would take a third of the time
    folded = Folded()
    told = 0
    for batch in read_messages_to_end(config, dict.fromkeys(places(partitions), 0)):
        for message in batch:
            folded.take(message)
        if folded.events - told >= TELL_EVERY:
            told = folded.events
            _say({"events": told})
    with connect(config) as connection:
        copy_rows(connection, folded.rows, NEXT)
    marks = {name: (mark.offset, mark.position) for name, mark in folded.marks.items()}
    _say({"events": folded.events, "marks": marks, "unread": folded.unread})


def connect(config: Settings) -> psycopg.Connection[Any]:
    """To the cabinet's schema."""
    return psycopg.connect(database_url(config), autocommit=True, options=f"-c search_path={SCHEMA},public -c jit=off")


def places(partitions: Iterable[int]) -> list[tuple[str, int]]:
    """These partition numbers of every stage topic."""
    return [(topic, partition) for topic in TOPICS for partition in partitions]


def _say(said: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(said) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(settings(), [int(number) for number in sys.argv[1].split(",")])
