"""Everything about one request, for the page, the API and the command line alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from services.ops import history, queues
from services.ops.settings import OpsSettings
from services.ops.wait_spans import Sign, SpanMoment, WaitChart, chart_of

LETTER_STATES = {
    "sent": "отправлено",
    "due": "ждёт отправки",
    "sending": "отправляется",
    "failed": "не отправлено",
    "no-address": "нет адреса",
    "off": "адресат отключил",
    "too-old": "новость устарела",
}
PUT_ASIDE = {
    "open": "открыто",
    "retry": "повторяется",
    "done": "принято при повторе",
    "corrected": "исправлено",
    "discarded": "списано",
}


@dataclass(frozen=True, slots=True)
class RequestAccount:
    """`chart`: None for a request that no stage has taken: only dead letters name it."""

    chart: WaitChart | None
    steps: Sequence[history.StageTurn]
    waits: Sequence[queues.WaitingRequest]

    def as_json(self) -> dict[str, Any]:
        """The account as JSON, for programs."""
        if self.chart is None:
            return {"waits": [], "moments": [], "work": []}
        return {
            **asdict(self.chart),
            "seconds": self.chart.seconds,
            "waited_seconds": self.chart.waited,
            "worked_seconds": self.chart.worked,
            "waits_now": [asdict(each) for each in self.waits],
        }


def look_at(
    connection: psycopg.Connection[Any], request: UUID, limits: OpsSettings, reveal: Callable[[Any], Any]
) -> RequestAccount | None:
    """What is known of a request; None when nothing at all is. `reveal` makes readable what is encrypted."""
    events = history.of_request(connection, request)
    moments = list(_beside(connection, request, reveal))
    if not events and not moments:
        return None
    chart = chart_of(events, moments, limits, datetime.now(UTC))
    return RequestAccount(chart, history.steps(events), queues.of_request(connection, limits, request))


def _beside(connection: psycopg.Connection[Any], request: UUID, reveal: Callable[[Any], Any]) -> Iterator[SpanMoment]:
    """E-mails and dead letters, which are no events."""
    for at, subject, status in history.emails_about(connection, request, reveal):
        yield SpanMoment(Sign.LETTER, at, f"{subject} ({LETTER_STATES.get(status, status)})")
    for at, stage, number, code, tries, status in history.put_aside(connection, request):
        words = f"непринятое {stage}/{number}: {code}, попыток {tries}, {PUT_ASIDE.get(status, status)}"
        yield SpanMoment(Sign.RETRY, at, words, f"/ops/letters/{stage}/{number}")
