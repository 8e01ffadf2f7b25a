"""The chart of a request: who had to act, from when to when, and what happened beside it. Pure.

A wait begins and ends with an event of the procedure: it is for somebody, and it has a limit, as in `queues.sql`. What
stages need themselves, from a cause to what follows from it, is their work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from events.registry import read_fields
from postavka.kernel.stage.refusals import codes
from services.ops.history import ShownEvent
from services.ops.queues import KINDS
from services.ops.settings import OpsSettings

DISPATCH = "dispatch"
NAMES: Mapping[str, tuple[str, str]] = {**KINDS, DISPATCH: ("отправка документа", "мы")}
"""What is waited for → its name and who acts, in Russian. A document's dispatch has no queue of its own."""
OURS = frozenset(("approval", "order", DISPATCH))
INVOICE = "invoice"
GATE = ("approval", "confirmation", "payment", "order")
"""Waits that end when a request ends before anything was ordered."""


class Sign(StrEnum):
    """The sign of a moment beside the waits."""

    REFUSAL = "refusal"
    RETRY = "retry"
    LETTER = "letter"
    DOCUMENT = "document"
    REMINDER = "reminder"


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody has to act. `until` and `ended_by` (an event's type) are None while it goes on. `limit`: seconds."""

    waits_for: str
    since: datetime
    until: datetime | None = None
    ended_by: str | None = None
    document: str | None = None
    limit: float | None = None
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """What is waited for, in Russian."""
        return NAMES[self.waits_for][0]

    @property
    def awaited(self) -> str:
        """Who acts, in Russian."""
        return NAMES[self.waits_for][1]

    @property
    def tone(self) -> str:
        """`late` beyond its limit; `ours` or `theirs`."""
        if self.limit is not None and self.seconds > self.limit:
            return "late"
        return "ours" if self.waits_for in OURS else "theirs"


@dataclass(frozen=True, slots=True)
class SpanMoment:
    """Something that happened meanwhile. `words`: what it is, in Russian; `link`: where it can be looked at."""

    sign: Sign
    at: datetime
    words: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a stage for the request: events, seconds from their causes to them, the slowest of them."""

    stage: str
    events: int
    seconds: float
    slowest: float


@dataclass(frozen=True, slots=True)
class WaitChart:
    """The whole picture, from `start` to `end`: now while something is waited for, else the last event."""

    start: datetime
    end: datetime
    waits: Sequence[Wait]
    moments: Sequence[SpanMoment]
    work: Sequence[Work]

    @property
    def seconds(self) -> float:
        """How long it all took until now."""
        return (self.end - self.start).total_seconds()

    @property
    def waited(self) -> float:
        """Seconds in which at least one thing was waited for from somebody else than a program of ours."""
        spans = sorted((each.since, each.until or self.end) for each in self.waits if each.waits_for not in OURS)
        total, reached = 0.0, self.start
        for since, until in spans:
            total += max(0.0, (until - max(since, reached)).total_seconds())
            reached = max(reached, until)
        return total

    @property
    def worked(self) -> float:
        """Seconds of work of all stages."""
        return sum(each.seconds for each in self.work)

    def place(self, moment: datetime, width: float = 1000.0) -> float:
        """How far from the left a moment lies in a picture of this width."""
        whole = max(self.seconds, 0.001)
        return round(min(1.0, max(0.0, (moment - self.start).total_seconds() / whole)) * width, 1)


def chart_of(
    events: Sequence[ShownEvent], moments: Sequence[SpanMoment], limits: OpsSettings, now: datetime
) -> WaitChart | None:
    """The wait spans of a request, from its events, causes before effects, and from what is known beside them; None
    without an event."""
    if not events:
        return None
    waits = waits_of(events)
    start = min(event.time for event in events)
    moments = sorted((*moments, *moments_of(events)), key=lambda each: each.at)
    if any(each.until is None for each in waits):
        end = now
    else:
        end = max([event.time for event in events] + [each.at for each in moments])
    dated = [
        replace(
            each,
            seconds=max(0.0, ((each.until or end) - each.since).total_seconds()),
            limit=None if each.waits_for == DISPATCH else limits.limit(each.waits_for),
        )
        for each in waits
    ]
    return WaitChart(start, end, dated, moments, work_of(events))


def waits_of(events: Sequence[ShownEvent]) -> list[Wait]:
    """What was waited for, in the order in which it began."""
    ledger = _Ledger()
    for event in events:
        _take(ledger, event, read_fields(event.type, event.body)[1])
    return sorted(ledger.ended + list(ledger.open.values()), key=lambda each: each.since)


class _Ledger:
    """Waits that go on, by what for and document; and those that have ended."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str | None], Wait] = {}
        self.ended: list[Wait] = []

    def begin(self, waits_for: str, event: ShownEvent, document: str | None = None) -> None:
        key = waits_for, document
        if key not in self.open:
            self.open[key] = Wait(waits_for, event.time, document=document)

    def end(self, waits_for: str, event: ShownEvent, document: str | None = None) -> bool:
        wait = self.open.pop((waits_for, document), None)
        if wait is not None:
            self.ended.append(replace(wait, until=event.time, ended_by=event.type))
        return wait is not None

    def end_all(self, event: ShownEvent, of: Sequence[str] | None = None) -> None:
        for waits_for, document in list(self.open):
            if of is None or waits_for in of:
                self.end(waits_for, event, document)


def _take(ledger: _Ledger, event: ShownEvent, body: Mapping[str, Any]) -> None:
    document = body.get("document_id")
    match event.type.partition(".")[0]:
        case "RequestSubmitted":
            ledger.begin("approval", event)
        case "Approved":
            ledger.end("approval", event)
            if body.get("channel") != "direct":
                ledger.begin("confirmation", event)
        case "Rejected" | "RequestWithdrawn":
            ledger.end("approval", event)
        case "InvoiceIssued":
            ledger.begin("payment", event)
        case "DistributorConfirmed" if ledger.end("confirmation", event):
            ledger.begin("order", event)
        case "PaymentReceived" if not float(body.get("due", 1)) and ledger.end("payment", event):
            ledger.begin("order", event)
        case "ManufacturingOrdered":
            ledger.end_all(event, GATE)
            ledger.begin("kit", event)
        case "ShipmentIssued":
            ledger.end("kit", event)
            ledger.begin("activation", event)
        case "Activated":
            ledger.end("activation", event)
        case "DistributorDeclined" | "BillingClosed":
            ledger.end_all(event, GATE)
        case "ShippingClosed":
            ledger.end_all(event)
        case "DocumentIssued" if body.get("kind") != INVOICE:
            ledger.begin(DISPATCH, event, document)
        case "DocumentDispatched" if ledger.end(DISPATCH, event, document):
            ledger.begin("signature", event, document)
        case "DocumentSigned" | "DocumentDeclined":
            ledger.end(DISPATCH, event, document)
            ledger.end("signature", event, document)


DOCUMENTS = {
    "DocumentIssued": "выписан",
    "DocumentDispatched": "отправлен",
    "DocumentSigned": "подписан",
    "DocumentDeclined": "не подписан: отказ",
}
ENDINGS = {"DistributorDeclined": "дистрибьютор отказался"}


def moments_of(events: Sequence[ShownEvent]) -> list[SpanMoment]:
    """Refusals, documents and what operations did, from their events."""
    found = []
    for event in events:
        link = f"/ops/events/{event.stage}/{event.position}"
        name = event.type.partition(".")[0]
        body = read_fields(event.type, event.body)[1]
        if name in DOCUMENTS:
            words = f"документ {body['document_id']} {DOCUMENTS[name]}"
            found.append(SpanMoment(Sign.DOCUMENT, event.time, words, link))
        if name == "DocumentDeclined" or name in ENDINGS:
            found.append(SpanMoment(Sign.REFUSAL, event.time, body.get("reason") or ENDINGS.get(name, name), link))
        elif any(codes(event.type, event.body)):
            reasons = body.get("reasons") or [body["reason"]]
            found.append(SpanMoment(Sign.REFUSAL, event.time, "; ".join(each["message"] for each in reasons), link))
        elif name == "DeadLetterRetried":
            letter = body["letter"]
            words = f"повтор непринятого {letter['stage']}/{letter['number']}"
            found.append(SpanMoment(Sign.RETRY, event.time, words, link))
        elif name == "ReminderRequested":
            words = f"напоминание: {NAMES.get(body['waits_for'], (body['waits_for'],))[0]}"
            found.append(SpanMoment(Sign.REMINDER, event.time, words, link))
    return found


def work_of(events: Sequence[ShownEvent]) -> list[Work]:
    """The work of each stage, in the order of its first event: how long its events took since their causes, where the
    cause is an event of this request. A person's act that came in between has its own record, and is the cause then."""
    by_id = {event.id: event for event in events}
    took: dict[str, list[float]] = {}
    for event in events:
        cause = by_id.get(event.causation or "")
        seconds = [max(0.0, (event.time - cause.time).total_seconds())] if cause is not None else []
        took.setdefault(event.stage, []).extend(seconds)
    count = {stage: sum(event.stage == stage for event in events) for stage in took}
    return [Work(stage, count[stage], sum(each), max(each, default=0.0)) for stage, each in took.items()]
