"""Topics as files, one Parquet file a partition: offset, timestamp, key, value and headers of every record; and back,
so that every record has the offset that it had. What is kept about the log elsewhere (marks, inputs of events) names
offsets.

A copy is closed under causes: where an event names the record it was made from (`ce_input`), that record is in the copy
too, however the topics grew while they were read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from postavka.kernel.backup.manifest import SavedPartition
from postavka.kernel.backup.offset_writer import OffsetWriter
from postavka.kernel.backup.sealed import CopyKey, Sealing, opened
from postavka.kernel.errors import UserError
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import TIMEOUT_SECONDS, end_offsets, first_offsets
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.on_progress import OnCount
from postavka.kernel.parquet import pa, pq
from postavka.kernel.settings import Settings

Place = tuple[str, int]

ROWS = 10_000
"""Records of a partition that are held before they are written."""

SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("timestamp", pa.int64()),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
    ]
)


class TopicNotEmpty(UserError):
    """A topic that shall be filled has records."""


def topic_partitions(config: Settings) -> dict[str, int]:
    """All topics but Kafka's own, with their number of partitions."""
    metadata = AdminClient(for_librdkafka(config)).list_topics(timeout=TIMEOUT_SECONDS)
    return {name: len(topic.partitions) for name, topic in sorted(metadata.topics.items()) if not name.startswith("__")}


def save_topics(
    config: Settings,
    folder: Path,
    first: Sequence[str] = (),
    topics: Iterable[str] | None = None,
    on_progress: OnCount = lambda done, total: None,
    between: Callable[[], None] = lambda: None,
    key: CopyKey | None = None,
) -> dict[str, dict[int, SavedPartition]]:
    """Write every record of these topics (default: all) to files under `folder`. Topics in `first` are read before the
    others: what they say of the others must be in the copy. `between` is called when they have been. Files are sealed
    with `key`, if there is one. Returns what there is of each partition."""
    counts = topic_partitions(config)
    wanted = [name for name in counts if topics is None or name in set(topics)]
    places = [(name, number) for name in wanted for number in range(counts[name])]
    nothing = {place: SavedPartition(begin, begin) for place, begin in first_offsets(config, places).items()}
    copy = _Copy(config, folder, nothing, key)
    early = [place for place in places if place[0] in first]
    copy.read(early, on_progress)
    between()
    copy.read([place for place in places if place[0] not in first], on_progress)
    while behind := copy.named_but_missing():
        copy.read(behind, on_progress)
    copy.close()
    found: dict[str, dict[int, SavedPartition]] = {}
    for (name, number), saved in copy.saved.items():
        found.setdefault(name, {})[number] = saved
    return found


@dataclass(slots=True)
class _Copy:
    config: Settings
    folder: Path
    saved: dict[Place, SavedPartition]
    key: CopyKey | None
    rows: dict[Place, list[dict[str, Any]]] = field(default_factory=dict)
    writers: dict[Place, pq.ParquetWriter] = field(default_factory=dict)
    sealing: list[Sealing] = field(default_factory=list)
    named: dict[Place, int] = field(default_factory=dict)
    """The highest offset that an event names as its input."""
    done: int = 0

    def read(self, places: Iterable[Place], on_progress: OnCount) -> None:
        start = {place: self.saved[place].end for place in places}
        ends = end_offsets(self.config, start)
        total = self.done + sum(ends[place] - start[place] for place in start)
        for batch in read_records(self.config, start):
            for message in batch:
                self._take(message)
            self.done += len(batch)
            on_progress(self.done, max(total, self.done))
        for place, end in ends.items():
            self.saved[place].end = max(self.saved[place].end, end)

    def named_but_missing(self) -> list[Place]:
        return [
            place for place, offset in self.named.items() if place in self.saved and self.saved[place].end <= offset
        ]

    def _take(self, message: Message) -> None:
        place = (message.topic, message.partition)
        saved = self.saved[place]
        headers = message.headers
        self._note_input(headers)
        rows = self.rows.setdefault(place, [])
        rows.append(
            {
                "offset": message.offset,
                "timestamp": message.timestamp_ms,
                "key": message.key,
                "value": message.value,
                "headers": [{"name": name, "value": value} for name, value in headers],
            }
        )
        saved.end = message.offset + 1
        saved.records += 1
        if len(rows) >= ROWS:
            self._write(place)

    def _note_input(self, headers: Iterable[tuple[str, bytes | None]]) -> None:
        for name, value in headers:
            if name == "ce_input" and value is not None:
                topic, _, rest = value.decode("utf-8", "replace").partition("/")
                partition, _, offset = rest.partition("/")
                if partition.isdigit() and offset.isdigit():
                    place = (topic, int(partition))
                    self.named[place] = max(self.named.get(place, -1), int(offset))

    def _write(self, place: Place) -> None:
        writer = self.writers.get(place)
        if writer is None:
            file = file_of(self.folder, *place)
            file.parent.mkdir(parents=True, exist_ok=True)
            writer = self.writers[place] = pq.ParquetWriter(self._sink(file), SCHEMA, compression="zstd")
        writer.write_table(pa.Table.from_pylist(self.rows.pop(place), schema=SCHEMA))

    def _sink(self, file: Path) -> Path | Sealing:
        if self.key is None:
            return file
        self.sealing.append(Sealing(file, self.key))
        return self.sealing[-1]

    def close(self) -> None:
        for place in list(self.rows):
            self._write(place)
        for writer in self.writers.values():
            writer.close()
        for each in self.sealing:
            each.close()


def file_of(folder: Path, topic: str, partition: int) -> Path:
    """Where a partition's records are."""
    return folder / topic / f"{partition:02}.parquet"


def put_topics_back(
    config: Settings,
    folder: Path,
    saved: Mapping[str, Mapping[int, SavedPartition]],
    on_progress: OnCount = lambda done, total: None,
    key: CopyKey | None = None,
) -> None:
    """Make the topics and fill them, every record at its offset. They must not exist or be empty. `key`: what the files
    are sealed with. Raises `TopicNotEmpty`, `OffsetsMoved`."""
    ensure_topics(config, saved)
    places = [(name, number) for name, partitions in saved.items() for number in partitions]
    full = sorted({place[0] for place, end in end_offsets(config, places).items() if end})
    if full:
        raise TopicNotEmpty(f"{', '.join(full)}: there are records already; put a copy back into an empty broker")
    total = sum(each.end - each.first for partitions in saved.values() for each in partitions.values())
    writer = OffsetWriter(config, saved, lambda done: on_progress(done, total))
    for name, partitions in saved.items():
        for number, each in partitions.items():
            writer.start_at(name, number, each.first)
            with opened(file_of(folder, name, number), key, config.home) as file:
                for row in _rows(file):
                    writer.write(name, number, row)
            writer.fill(name, number, each.end)
    writer.close()


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.exists():
        for batch in pq.ParquetFile(file).iter_batches(ROWS):
            yield from batch.to_pylist()
