"""The record browser: any topic, by partition, offset or time. Texts are covered until somebody asks for all of a
record, and the auditor sees who did."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID, uuid5

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from events.registry import MESSAGES
from events.topics import topic_names
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.log.record import Record
from postavka.kernel.settings import PARTITIONS
from postavka.web.attachment import attachment
from postavka.web.fields import moment_in
from postavka.web.personal import reveal
from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.ops.masking import masked_bytes, masked_headers, readable
from services.ops.pages.frame import Ops, size
from services.ops.records import BadWhere, RecordBrowser, RecordFilter, RecordPage, about, type_of

router = APIRouter(prefix="/ops/records", include_in_schema=False)
NAMELESS = UUID("c0b5d8a4-3b4f-4d1e-9d52-7f6a1b2c3d4e")
"""Namespace of the subjects under which it is noted who looked at a record that names no request."""
Short = Annotated[str, Query(max_length=200)]
PARTITION = "^(" + "|".join(map(str, range(PARTITIONS))) + ")?$"
Partition = Annotated[int, Path(ge=0, lt=PARTITIONS)]
Offset = Annotated[int, Path(ge=0, lt=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """The query of an address: a topic, where to begin in it, which way to go, and which records are wanted."""

    topics: Sequence[str]
    """All that there are: every topic of the contract, with those of each distributor."""
    topic: str
    partition: int | None
    offset: int | None
    since: datetime | None
    oldest_first: bool
    wanted: RecordFilter
    going_on: Mapping[int, int]
    said: Mapping[str, str]
    """The query as it came, without where to go on."""

    def look(self, browser: RecordBrowser) -> RecordPage:
        """The screen of records that is asked for. Raises like `RecordBrowser.page`."""
        start = self.going_on or browser.start(self.topic, self.partition, self.offset, self.since, self.oldest_first)
        return browser.page(self.topic, start, self.wanted, self.oldest_first)


async def record_query(
    request: Request,
    topic: Short = "",
    partition: Annotated[str, Query(pattern=PARTITION)] = "",
    offset: Annotated[str, Query(pattern=r"^\d{0,18}$")] = "",
    since: Short = "",
    order: Short = "",
    key: Short = "",
    type: Short = "",
    text: Short = "",
    where: Annotated[str, Query(max_length=500)] = "",
    next: Annotated[str, Query(max_length=600)] = "",
) -> RecordQuery:
    """The query that an address says; a topic that is not there is not found."""
    topics = await _topics(request)
    if topic and topic not in topics:
        raise not_found()
    named = {"topic": topic or topics[0], "partition": partition, "offset": offset, "since": since, "order": order}
    filtered = {"key": key.strip(), "type": type.strip(), "text": text.strip(), "where": where.strip()}
    return RecordQuery(
        topics,
        named["topic"],
        int(partition) if partition else None,
        int(offset) if offset else None,
        moment_in(since),
        order == "old",
        RecordFilter(**filtered),
        _read_cursor(next),
        {name: value for name, value in (named | filtered).items() if value},
    )


Asked = Annotated[RecordQuery, Depends(record_query)]


@router.get("")
async def records_page(request: Request, principal: Ops, asked: Asked) -> Response:
    """A screen of a topic's records, newest first or oldest first, covered."""
    found, wrong = RecordPage((), {}, 0), ""
    try:
        found = await asyncio.to_thread(asked.look, browser_of(request))
    except BadWhere as bad:
        wrong = str(bad)
    note_shown(request, found.records)
    here = {"next": _write_cursor(asked.going_on)} if asked.going_on else {}
    return page(
        request,
        "ops_records.html",
        422 if wrong else 200,
        topics=asked.topics,
        partitions=range(PARTITIONS),
        asked=asked,
        types=sorted(MESSAGES),
        rows=[row_of(record) for record in found.records],
        looked=found.looked,
        wrong=wrong,
        next=urlencode({**asked.said, "next": _write_cursor(found.next)}) if found.next else "",
        download=urlencode({**asked.said, **here}),
    )


@router.get("/file")
async def records_file(request: Request, principal: Ops, asked: Asked) -> Response:
    """The same screen as a file, a JSON object a line, covered as on the page."""
    try:
        found = await asyncio.to_thread(asked.look, browser_of(request))
    except BadWhere:
        raise not_found() from None
    note_shown(request, found.records)
    lines = b"".join(orjson.dumps(row_of(record)) + b"\n" for record in found.records)
    return attachment(lines, "application/x-ndjson", f"{asked.topic}.ndjson")


@router.get("/{topic}/{partition}/{offset}")
async def record_page(request: Request, principal: Ops, topic: str, partition: Partition, offset: Offset) -> Response:
    """One record, covered."""
    record = await _record(request, topic, partition, offset)
    note_shown(request, [record])
    return page(request, "ops_record.html", row=row_of(record), revealed=False, requests=sorted(about(record)))


@router.get("/{topic}/{partition}/{offset}/revealed")
async def revealed_page(request: Request, principal: Ops, topic: str, partition: Partition, offset: Offset) -> Response:
    """All of one record, readable as far as there are keys. Who looked is noted under this address."""
    record = await _record(request, topic, partition, offset)
    visitor_of(request).shown.update(about(record) or {uuid5(NAMELESS, record.coordinates)})
    row = await asyncio.to_thread(lambda: row_of(record, covered=False))
    return page(request, "ops_record.html", row=row, revealed=True, requests=sorted(about(record)))


@router.get("/{topic}/{partition}/{offset}/file")
async def record_file(request: Request, principal: Ops, topic: str, partition: Partition, offset: Offset) -> Response:
    """One record byte for byte as it lies, in base64 within JSON. Who took it is noted under this address."""
    record = await _record(request, topic, partition, offset)
    visitor_of(request).shown.update(about(record) or {uuid5(NAMELESS, record.coordinates)})
    whole = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": _base64(record.key),
        "headers": [[name, _base64(value)] for name, value in record.headers],
        "value": _base64(record.value),
    }
    data = orjson.dumps(whole, option=orjson.OPT_INDENT_2)
    return attachment(data, "application/json", f"{record.topic}-{record.partition}-{record.offset}.json")


def row_of(record: Record, *, covered: bool = True) -> dict[str, Any]:
    """A record for a row or a page: where it lies, when it came, and what it says. Readable blocks: keys are asked
    for."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
        "type": type_of(record)[:100],
        "key": masked_bytes(record.key) if covered else readable(record.key),
        "headers": masked_headers(record.headers)
        if covered
        else [(name, readable(value)) for name, value in record.headers],
        "value": masked_bytes(record.value) if covered else _revealed(record.value),
        "size": size(len(record.value or b"")),
    }


def note_shown(request: Request, records: Iterable[Record]) -> None:
    """The requests that these records name are shown by this answer."""
    visitor_of(request).shown.update(named for record in records for named in about(record))


def browser_of(request: Request) -> RecordBrowser:
    """The one browser of this process."""
    state = request.app.state
    if not hasattr(state, "ops_records"):
        state.ops_records = RecordBrowser(web(request).kernel, web(request).conninfo)
    found: RecordBrowser = state.ops_records
    return found


async def _topics(request: Request) -> list[str]:
    """Every topic of the contract, with those of each distributor."""
    return topic_names(await asyncio.to_thread(distributor_ids, web(request).conninfo))


async def _record(request: Request, topic: str, partition: int, offset: int) -> Record:
    if topic not in await _topics(request):
        raise not_found()
    record = await asyncio.to_thread(browser_of(request).one, topic, partition, offset)
    if record is None:
        raise not_found()
    return record


def _revealed(value: bytes | None) -> str:
    try:
        return readable(orjson.dumps(reveal(orjson.loads(value or b""))))
    except ValueError:
        return readable(value)


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _read_cursor(text: str) -> dict[int, int]:
    found = {}
    for part in text.split(",") if text else ():
        number, _, offset = part.partition(":")
        if number.isdecimal() and offset.isdecimal() and int(number) < PARTITIONS and len(offset) < 19:
            found[int(number)] = int(offset)
    return found


def _write_cursor(places: Mapping[int, int]) -> str:
    return ",".join(f"{number}:{offset}" for number, offset in places.items())
