"""`postavka log tail`: the events of all stages as they come, or from a moment in the past."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
from cyclopts import App

from events.envelope import Envelope
from events.topics import OPS_EVENTS, STAGE_TOPICS
from postavka.app.event_lines import print_event
from postavka.app.event_order import Place, Read, in_clock_order, in_window
from postavka.domain.calendar import parse_since
from postavka.domain.request_ids.parameter import RequestId
from postavka.kernel.console import errors, print_line
from postavka.kernel.id_beginning import unknown
from postavka.kernel.log.follower import Follower, beginnings
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import PARTITIONS, Settings

log = App(name="log", help="Look at the event log.")

WINDOW_SECONDS = 2.0
TAILED = (*STAGE_TOPICS, OPS_EVENTS)


@log.command
def tail(
    *,
    stage: str | None = None,
    request: RequestId | None = None,
    type: str | None = None,
    since: str | None = None,
    follow: bool = True,
    json: bool = False,
) -> None:
    """Show events as they happen, sorted by their clocks: a cause before its effects. While following, each is held
    back for two seconds, so that one that comes later and was earlier stands before it.

    ```
    postavka log tail
    postavka log tail --stage billing --since 1h
    postavka log tail --request 6f9c --since 2026-11-01 --no-follow --json
    ```

    Parameters
    ----------
    stage
        Only of this stage: request, approval, billing, shipping, activation or renewal; `ops` shows what was done by
        hand.
    request
        Only of this request; the beginning of its id is enough.
    type
        Only this type, with or without its version: Approved, Approved.v1.
    since
        Begin in the past: 15m, 2h, 3d, a date or a time (Moscow, unless it names a zone).
    follow
        Go on with what comes; with --no-follow end where the log ends now.
    json
        One JSON object a line: envelope, coordinates, body.
    """
    names = [topic.name for topic in TAILED if stage == topic.writer or (stage is None and topic is not OPS_EVENTS)]
    if not names:
        raise unknown("stage", stage or "", [topic.writer for topic in TAILED])
    begin = None if since is None and follow else parse_since(since or "0")
    config = connected()
    start = beginnings(config, names, begin)
    if request is not None:  # all of its events lie in the partition of its key
        number = partition_of(str(request).encode(), PARTITIONS)
        start = {place: offset for place, offset in start.items() if place[1] == number}

    def wanted(envelope: Envelope) -> bool:
        return _fits(envelope, request, type)

    shown = 0
    for record, envelope in _followed(config, start, wanted) if follow else _read(config, start, wanted):
        print_line(as_json(record, envelope, config)) if json else print_event(record, envelope)
        shown += 1
    if not shown and not follow:
        errors.print("no such events", highlight=False)


def _read(config: Settings, start: Mapping[Place, int], wanted: Callable[[Envelope], bool]) -> Iterator[Read]:
    ends = {place: end for place, end in end_offsets(config, start).items() if end > start[place]}
    return in_clock_order(read_records(config, {place: start[place] for place in ends}, ends), ends, wanted)


def _followed(config: Settings, start: Mapping[Place, int], wanted: Callable[[Envelope], bool]) -> Iterator[Read]:
    errors.print(f"[dim]following, {WINDOW_SECONDS:.0f} s behind to have all in order; Ctrl-C ends it[/]")
    with Follower(config, start) as follower, suppress(KeyboardInterrupt):
        yield from in_window(follower.records(math.inf), WINDOW_SECONDS, wanted)


def _fits(envelope: Envelope, request: UUID | None, type_name: str | None) -> bool:
    if request is not None and envelope.subject != str(request):
        return False
    return type_name is None or type_name in (envelope.type, envelope.type.rpartition(".")[0])


def as_json(record: Record, envelope: Envelope, config: Settings) -> dict[str, Any]:
    """Everything about one event, personal data readable as far as there are keys."""
    return {
        "type": envelope.type,
        "subject": envelope.subject,
        "time": envelope.time,
        "source": envelope.source,
        "id": envelope.id,
        "position": envelope.position,
        "clock": f"{envelope.clock:016x}",
        "causation": envelope.causation,
        "correlation": envelope.correlation,
        "input": envelope.input,
        "trace": envelope.trace,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "body": open_vault(config).reveal(orjson.loads(record.value or b"null")),
    }
