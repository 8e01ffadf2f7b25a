"""The log as files for somebody else's tools: JSON lines or Parquet, with hashes, schemas, signed checkpoints, the
verifier that needs nothing else, and a guide for the reader.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Protocol, Self
from uuid import UUID

import orjson

from events.envelope import Envelope, EnvelopeError, header_map, rfc3339
from events.topics import CHECKPOINTS, ERASURES
from postavka.kernel.address import load
from postavka.kernel.errors import UserError
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.on_progress import OnCount
from postavka.kernel.settings import PARTITIONS, Settings
from services.audit.consistent_cut import Cut, make_cut
from services.audit.history.as_of import clock_at
from services.audit.history.history import history
from services.audit.integrity import keys
from services.audit.reading import LOG_OF, STAGE_OF, DeadLetterRow, letter_of, logs_there, reading, topics_there
from services.audit.settings import AuditSettings

Format = Literal["jsonl", "parquet"]
PARQUET = "services.audit.history.parquet"
"""Imported when it is needed: its package is an extra."""
Row = dict[str, Any]

SCHEMAS = Path(str(files("events"))) / "schemas"


class FolderNotEmpty(UserError):
    """The folder to export into has something in it."""


@dataclass(frozen=True, slots=True)
class ExportRange:
    """The range of records to export: from and to a moment (events by their clock, inputs by Kafka's time), or of one
    request."""

    since: datetime | None = None
    until: datetime | None = None
    request: UUID | None = None


@dataclass(slots=True)
class ExportReport:
    """The figures of what an export has written. `files`: by path below the folder, records, bytes and SHA-256."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)
    requests: set[UUID] = field(default_factory=set)
    """Those that the records name."""
    duplicates: int = 0

    @property
    def records(self) -> int:
        """The number of records in all files."""
        return sum(each.get("records", 0) for each in self.files.values())


def export(
    config: Settings,
    folder: Path,
    form: Format,
    wanted: ExportRange,
    on_progress: OnCount = lambda done, total: None,
) -> ExportReport:
    """Write it. Raises `FolderNotEmpty`. Runs while everything works: what comes meanwhile is left out."""
    if folder.exists() and any(folder.iterdir()):
        raise FolderNotEmpty(f"{folder} is not empty")
    found = ExportReport()
    for _ in write_files(config, folder, form, wanted, found, on_progress):
        pass
    return found


def write_files(
    config: Settings,
    folder: Path,
    form: Format,
    wanted: ExportRange,
    found: ExportReport,
    on_progress: OnCount = lambda done, total: None,
) -> Iterator[Path]:
    """Write the files one after the other; each is whole when it is given, and nothing here reads it again."""
    folder.mkdir(parents=True, exist_ok=True)
    cut = make_cut(config)
    chosen = (
        None if wanted.request is None else {entry.coordinates for entry in history(config, wanted.request).entries}
    )
    total = sum(cut.ends.values()) if chosen is None else len(chosen)
    done = 0
    for topic in topics_there(config):
        if topic in (CHECKPOINTS.name, ERASURES.name):
            continue
        kind = "events" if topic in LOG_OF.values() else "inputs"
        path = folder / kind / f"{topic}.{form}"
        rows = _rows(config, cut, topic, wanted, chosen, found)
        count = 0
        with writer_of(form, path) as writer:
            for row in rows:
                writer.write(row)
                count += 1
                if count % 5_000 == 0:
                    on_progress(done + count, total)
        done += count
        on_progress(min(done, total), total)
        yield _note(found, folder, path, count)
    yield _letters(config, folder, form, wanted, found)
    yield from _evidence(config, folder, found)
    for type_name in sorted(found.types):
        schema = SCHEMAS / f"{type_name}.json"
        if schema.exists():
            yield _copy(schema, folder / "schemas" / schema.name, folder, found)
    guide, about = folder / "README.md", folder / "manifest.json"
    guide.write_text(_guide(form), "utf-8")
    yield guide
    manifest = {
        "format": form,
        "made_at": rfc3339(datetime.now(UTC)),
        "from": wanted.since,
        "to": wanted.until,
        "request": wanted.request,
        "positions": cut.heads,
        "late_duplicates_left_out": found.duplicates,
        "files": found.files,
    }
    about.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    yield about


def _rows(
    config: Settings, cut: Cut, topic: str, wanted: ExportRange, chosen: set[str] | None, found: ExportReport
) -> Iterator[Row]:
    stage = {log: name for name, log in LOG_OF.items()}.get(topic)
    head = cut.heads.get(stage, 0) if stage is not None else None
    first = None if wanted.since is None else clock_at(wanted.since)
    last = None if wanted.until is None else clock_at(wanted.until)
    highest: dict[int, int] = {}
    ends = {(topic, number): cut.ends.get((topic, number), 0) for number in range(PARTITIONS)}
    ends = {place: end for place, end in ends.items() if end > 0}
    if chosen is not None:
        starts: dict[tuple[str, int], int] = {}
        for coordinates in chosen:
            of, number, offset = coordinates.rsplit("/", 2)
            if of == topic and offset != "?":
                place = (of, int(number))
                starts[place] = min(int(offset), starts.get(place, int(offset)))
        ends = {place: end for place, end in ends.items() if place in starts}
    else:
        starts = dict.fromkeys(ends, 0)
    for batch in read_records(config, starts, ends):
        for message in batch:
            if chosen is not None and f"{topic}/{message.partition}/{message.offset}" not in chosen:
                continue
            row = row_of(message)
            position = row["position"]
            if head is not None and position is not None:
                if position > head:
                    continue
                if position <= highest.get(message.partition, 0):
                    found.duplicates += 1
                    continue
                highest[message.partition] = position
            if not _within(row, first, last, wanted):
                continue
            if row["type"]:
                found.types.add(row["type"])
            found.requests.update(filter(None, (_id(row["subject"]), _id(row["key"]))))
            yield row


def _within(row: Row, first: int | None, last: int | None, wanted: ExportRange) -> bool:
    if row["clock"] and row["topic"] in STAGE_OF:  # others could choose whether they are found
        return (first is None or row["clock"] > first - (1 << 16)) and (last is None or row["clock"] <= last)
    at: datetime = row["timestamp"]
    return (wanted.since is None or at >= wanted.since) and (wanted.until is None or at <= wanted.until)


def row_of(record: Record) -> Row:
    """A record as a row: its coordinates, its envelope where it has one, and all of it as it is."""
    pairs = record.headers
    try:
        envelope = Envelope.read(pairs)
    except EnvelopeError:
        envelope = None
    text, encoded = _text(record.value)
    own = header_map(pairs)
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": datetime.fromtimestamp(max(record.timestamp_ms, 0) / 1000, UTC),
        "key": None if record.key is None else record.key.decode("utf-8", "replace"),
        "type": envelope.type if envelope else _header(own, "ce_type"),
        "subject": envelope.subject if envelope else _header(own, "ce_subject"),
        "source": envelope.source if envelope else _header(own, "ce_source"),
        "id": envelope.id if envelope else _header(own, "ce_id"),
        "time": envelope.time if envelope else None,
        "clock": (envelope.clock or None) if envelope else None,
        "position": envelope.position if envelope else None,
        "causation": envelope.causation if envelope else None,
        "correlation": envelope.correlation if envelope else None,
        "input": envelope.input if envelope else None,
        "headers": [[name, None if data is None else data.decode("utf-8", "replace")] for name, data in pairs],
        "value": text,
        "value_base64": encoded,
    }


def _header(headers: Mapping[str, bytes], name: str) -> str | None:
    """What a record says of itself, though its envelope as a whole can't be read."""
    return headers.get(name, b"").decode("utf-8", "replace") or None


def _text(value: bytes | None) -> tuple[str | None, str | None]:
    """The data as text if it is text, else in base64."""
    if value is None:
        return None, None
    try:
        return value.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(value).decode()


# Files


class RowFile(Protocol):
    """A file that rows are written into, for `with`."""

    def write(self, row: Row) -> None:
        """Add a row."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


def writer_of(form: Format, path: Path, dead_letters: bool = False) -> RowFile:
    """A file for the rows of records, or of dead letters; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "jsonl":
        return _Lines(path)
    schema = load(f"{PARQUET}:{'DEAD_LETTERS' if dead_letters else 'RECORDS'}")
    file: RowFile = load(f"{PARQUET}:ParquetFile")(path, schema)
    return file


class _Lines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=1 << 20)

    def write(self, row: Row) -> None:
        options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
        self._file.write(
            orjson.dumps({name: value for name, value in row.items() if value is not None}, option=options)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


def _letters(config: Settings, folder: Path, form: Format, wanted: ExportRange, found: ExportReport) -> Path:
    path = folder / f"dead-letters.{form}"
    count = 0
    with writer_of(form, path, dead_letters=True) as writer, reading(config) as connection:
        for stage in logs_there(connection):
            rows = connection.execute(
                'SELECT id, topic, partition, "offset", timestamp_ms, key, value, headers, code, reason, received_at, '  # noqa: S608
                f"status, subject FROM {stage}.dead_letters "
                "WHERE (%(request)s::uuid IS NULL OR subject = %(request)s OR key = %(key)s) "
                "AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s) "
                "AND (%(until)s::timestamptz IS NULL OR received_at <= %(until)s) ORDER BY id",
                {
                    "request": wanted.request,
                    "key": str(wanted.request).encode(),
                    "since": wanted.since,
                    "until": wanted.until,
                },
            )
            for row in rows:
                letter = letter_of(stage, row)
                found.requests.update(filter(None, (letter.subject,)))
                writer.write(row_of_letter(letter))
                count += 1
    return _note(found, folder, path, count)


def row_of_letter(letter: DeadLetterRow) -> Row:
    """A dead letter as a row: why it was not taken, which request it was found to be about, then the record itself."""
    about = {
        "stage": letter.stage,
        "number": letter.number,
        "code": letter.code,
        "reason": letter.reason,
        "received_at": letter.received_at,
        "status": letter.status,
        "request": None if letter.subject is None else str(letter.subject),
    }
    return {**about, **row_of(letter.record)}


def _evidence(config: Settings, folder: Path, found: ExportReport) -> Iterator[Path]:
    """Signed checkpoints with the leaf hashes they cover, the keys they are signed with, and the verifier."""
    audit = AuditSettings()
    kept = audit.evidence_folder(config)
    if not kept.exists():
        return
    for file in sorted(kept.iterdir()):
        if file.suffix in (".checkpoints", ".leaves"):
            yield _copy(file, folder / "evidence" / file.name, folder, found)
    public = keys.public_file(audit.key_file(config))
    if public.exists():
        yield _copy(public, folder / "evidence" / "keys.pub", folder, found)
    yield _copy(Path(__file__).parents[1] / "verifier.py", folder / "verifier.py", folder, found)


def _copy(source: Path, target: Path, folder: Path, found: ExportReport) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return _note(found, folder, target, None)


def _note(found: ExportReport, folder: Path, path: Path, records: int | None) -> Path:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    about: dict[str, Any] = {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}
    found.files[path.relative_to(folder).as_posix()] = about if records is None else {"records": records, **about}
    return path


def _guide(form: Format) -> str:
    text = files("services.audit").joinpath("templates/export.md").read_text("utf-8")
    jsonl = form == "jsonl"
    loader = 'json("events/request.events.jsonl", lines=True)' if jsonl else 'parquet("events/request.events.parquet")'
    changes = {"FORM": form, "READ(": "read_json_auto(" if jsonl else "read_parquet(", "LOADER": loader}
    for name, replacement in changes.items():
        text = text.replace(name, replacement)
    return text
