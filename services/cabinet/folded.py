"""The cabinet folded in memory, for a rebuild and for requests that are folded anew: records in, rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from confluent_kafka import Message

from events.envelope import header_map
from events.registry import BadBody, UnknownType
from postavka.log.record import partition_name
from postavka.log.unreadable import headers_of
from postavka.projection.copying import NULL, json_field, line
from postavka.projection.model import Copied, Unread
from postavka.store.mark import Mark
from services.cabinet.fold import STAGES, UNSHOWN, Row, fold, named, read, readable
from services.cabinet.table import STAGE_OF


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

    def copied(self) -> Iterator[Copied]:
        """All rows, for COPY."""
        yield Copied("requests", ("request_id", *STAGES), self._lines())

    def _lines(self) -> Iterator[bytes]:
        for subject, row in self.rows.items():
            groups = (json_field(row[stage]) if stage in row else NULL for stage in STAGES)
            yield line((str(subject).encode(), *groups))

    def take(self, message: Message) -> tuple[UUID, str] | None:
        """Fold one record in; returns whose row and which group changed, or None."""
        topic, partition = message.topic(), message.partition()
        reached = self._reached.get((topic, partition))
        if reached is None:
            reached = self._reached[topic, partition] = [-1, 0]
        reached[0] = message.offset()
        headers: dict[str, Any] = dict(headers_of(message))
        stage = STAGE_OF[topic]
        try:
            position = int(headers["ce_position"])
            if position <= reached[1]:
                return None
            type_name, fields = read(stage, headers["ce_type"].decode(), message.value())
            key, time = headers["ce_subject"], headers["ce_time"].decode()
            known = self._known.get(key)
            if known is None:
                subject = UUID(key.decode())
                known = self._of(subject, key) if type_name not in UNSHOWN else (subject, {})
        except (KeyError, ValueError, TypeError, AttributeError, UnknownType, BadBody) as wrong:
            said = header_map(headers_of(message))
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
