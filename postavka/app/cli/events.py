"""`postavka log tail`: the events of all stages as they come, or from a moment in the past."""

from __future__ import annotations

import math
from typing import Any

import orjson
from cyclopts import App

from events.envelope import Envelope
from events.topics import OPS_EVENTS, STAGE_TOPICS
from postavka.app.event_lines import in_causal_order, print_event
from postavka.domain.calendar import parse_since
from postavka.kernel.console import print_line
from postavka.kernel.log.follower import Follower, beginnings
from postavka.kernel.log.record import Record
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import Settings

log = App(name="log", help="Look at the event log.")

TAILED = (*STAGE_TOPICS, OPS_EVENTS)


@log.command
def tail(
    *,
    stage: str | None = None,
    request: str | None = None,
    type: str | None = None,
    since: str | None = None,
    follow: bool = True,
    json: bool = False,
) -> None:
    """Show events as they happen.

    ```
    postavka log tail
    postavka log tail --stage billing --since 1h
    postavka log tail --request 6f9c… --since 2026-11-01 --no-follow --json
    ```

    Parameters
    ----------
    stage
        Only of this stage: request, approval, billing, shipping or activation; `ops` shows what was done by hand.
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
        raise SystemExit(f"no stage {stage!r}; there are {', '.join(topic.writer for topic in TAILED)}")
    begin = None if since is None and follow else parse_since(since or "0")
    config = connected()
    with Follower(config, beginnings(config, names, begin)) as follower:
        try:
            for batch in follower.records(math.inf if follow else 1.5):
                for record, envelope in in_causal_order(batch):
                    if wanted(envelope, request, type):
                        print_line(as_json(record, envelope, config)) if json else print_event(record, envelope)
        except KeyboardInterrupt:
            return


def wanted(envelope: Envelope, request: str | None, type_name: str | None) -> bool:
    """Does the event fit the filters?"""
    if request is not None and not envelope.subject.startswith(request):
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
