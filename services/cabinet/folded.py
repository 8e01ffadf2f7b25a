"""The cabinet folded in memory, for a rebuild and for requests that are folded anew: records in, rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from postavka.kernel.log.record import Piece
from postavka.kernel.projection.copy_format import binary_row
from postavka.kernel.projection.event_reader import WRONG, EventReader, unread
from postavka.kernel.projection.read_model import Copied, Unread
from postavka.kernel.store.checkpoint import Checkpoint
from services.cabinet.fold import STAGES, UNSHOWN, Row, fold, read
from services.cabinet.table import STAGE_OF


class CabinetFold:
    """The result of reading a stretch of the log. Made for millions of records: requests are known by the bytes of
    their headers until somebody asks for `rows`, since hashing a `UUID` costs as much as folding."""

    def __init__(self) -> None:
        self.unread: list[Unread] = []
        self.events = 0
        self._known: dict[bytes, tuple[UUID, Row]] = {}
        self._reader = EventReader({})

    @property
    def rows(self) -> dict[UUID, Row]:
        """All rows by request. Setting them says what is folded into from now on."""
        return dict(self._known.values())

    @rows.setter
    def rows(self, rows: Mapping[UUID, Row]) -> None:
        self._known = {str(subject).encode(): (subject, row) for subject, row in rows.items()}

    def row(self, subject: UUID) -> Row:
        """The row of one request that was folded."""
        return self._known[str(subject).encode()][1]

    @property
    def marks(self) -> dict[str, Checkpoint]:
        """The checkpoints by `topic/partition`. Setting them says where reading has been."""
        return self._reader.checkpoints

    @marks.setter
    def marks(self, marks: Mapping[str, Checkpoint]) -> None:
        self._reader = EventReader(marks)

    def copied(self) -> Iterator[Copied]:
        """All rows, for COPY."""
        rows = (binary_row(subject, [row.get(stage) for stage in STAGES]) for subject, row in self.rows.items())
        yield Copied("requests", ("request_id", *STAGES), rows, binary=True)

    def take(self, piece: Piece) -> None:
        """Fold some records in."""
        stage, known_requests = STAGE_OF[piece.topic], self._known
        events = 0

        def refuse(record: Any, wrong: Exception) -> None:
            self.unread.append(unread(piece.topic, piece.partition, record, wrong))

        for record, headers, position in self._reader.partition(piece.topic, piece.partition).read(
            piece.records, refuse
        ):
            try:
                type_name, fields = read(stage, headers["ce_type"].decode(), record.value)
                key, time = headers["ce_subject"], headers["ce_time"].decode()
                known = known_requests.get(key)
                if known is None:
                    subject = UUID(key.decode())
                    known = self._of(subject, key) if type_name not in UNSHOWN else (subject, {})
            except WRONG as wrong:
                refuse(record, wrong)
                continue
            events += 1
            if type_name not in UNSHOWN:
                fold(known[1], stage, type_name, fields, time, position)
        self.events += events

    def _of(self, subject: UUID, key: bytes) -> tuple[UUID, Row]:
        """The row of a request under this way of writing its id; ours is in small letters."""
        usual = str(subject).encode()
        known = self._known.setdefault(usual, (subject, {}))
        if key != usual:
            self._known[key] = known
        return known
