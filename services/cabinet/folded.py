"""The cabinet folded in memory, for a rebuild and for requests that are folded anew: records in, rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from events.envelope import header_map
from events.registry import BadBody, UnknownType
from postavka.kernel.log.record import Piece, partition_name
from postavka.kernel.projection.copy_format import binary_row
from postavka.kernel.projection.read_model import Copied, Unread
from postavka.kernel.store.checkpoint import Mark
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
        rows = (binary_row(subject, [row.get(stage) for stage in STAGES]) for subject, row in self.rows.items())
        yield Copied("requests", ("request_id", *STAGES), rows, binary=True)

    def take(self, piece: Piece) -> None:
        """Fold some records in."""
        place, stage, known_requests = (piece.topic, piece.partition), STAGE_OF[piece.topic], self._known
        reached = self._reached.setdefault(place, [-1, 0])
        for record in piece.records:
            reached[0] = record.offset
            headers: dict[str, Any] = dict(record.headers)
            try:
                position = int(headers["ce_position"])
                if position <= reached[1]:
                    continue
                type_name, fields = read(stage, headers["ce_type"].decode(), record.value)
                key, time = headers["ce_subject"], headers["ce_time"].decode()
                known = known_requests.get(key)
                if known is None:
                    subject = UUID(key.decode())
                    known = self._of(subject, key) if type_name not in UNSHOWN else (subject, {})
            except (KeyError, ValueError, TypeError, AttributeError, UnknownType, BadBody) as wrong:
                said = header_map(record.headers)
                self.unread.append((*place, record.offset, named(said), readable(str(wrong))))
                continue
            reached[1] = position
            self.events += 1
            if type_name not in UNSHOWN:
                fold(known[1], stage, type_name, fields, time, position)

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
