"""A request's way: who had to act and for how long, beside the limits; what happened on the way; the stages' work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.ops.history import ShownEvent
from services.ops.settings import OpsSettings
from services.ops.wait_spans import Sign, SpanMoment, WaitChart, chart_of

REQUEST = UUID("6f9c0000-0000-4000-8000-000000000000")
START = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
HOUR = 3_600.0
LIMITS = OpsSettings()
OPENED = ("request", "RequestSubmitted.v1", 0.0, {})
APPROVED = ("approval", "Approved.v3", 0.2, {"channel": "distributor"})
ACT = ("shipping", "DocumentIssued.v2", 0.4, {"document_id": "act-1", "kind": "act"})


def history(*events: tuple[str, str, float, dict[str, Any]]) -> list[ShownEvent]:
    """Each caused by the one before it."""
    made: list[ShownEvent] = []
    for number, (stage, kind, second, body) in enumerate(events, 1):
        cause = made[-1].id if made else None
        moment = START + timedelta(seconds=second)
        made.append(
            ShownEvent(
                stage, number, REQUEST, number, kind, moment, number, cause, None, None, None, orjson.dumps(body)
            )
        )
    return made


def way(
    *events: tuple[str, str, float, dict[str, Any]], now: float = HOUR, beside: tuple[SpanMoment, ...] = ()
) -> WaitChart:
    found = chart_of(history(*events), beside, LIMITS, START + timedelta(seconds=now))
    assert found is not None
    return found


def waits(found: WaitChart) -> list[tuple[str, float, bool]]:
    """(what for, seconds, over?)"""
    return [(each.waits_for, each.seconds, each.until is not None) for each in found.waits]


def test_a_sale_through_a_distributor_waits_for_one_after_the_other() -> None:
    found = way(
        OPENED,
        APPROVED,
        ("billing", "DistributorConfirmed.v1", 7_200.2, {}),
        ("shipping", "ManufacturingOrdered.v1", 7_200.5, {}),
        ("shipping", "ShipmentIssued.v1", 7_260.5, {}),
        ("activation", "Activated.v1", 90_000.5, {}),
    )
    assert waits(found) == [
        ("approval", 0.2, True),
        ("confirmation", 7_200.0, True),
        ("order", 0.3, True),
        ("kit", 60.0, True),
        ("activation", 82_740.0, True),
    ]
    assert found.seconds == 90_000.5, "nothing is waited for: it ends with the last event"
    assert found.waited == 7_200.0 + 60.0 + 82_740.0


def test_money_in_parts_is_waited_for_until_nothing_is_due() -> None:
    found = way(
        OPENED,
        ("approval", "Approved.v3", 1.0, {"channel": "direct"}),
        ("billing", "InvoiceIssued.v1", 2.0, {}),
        ("billing", "PaymentReceived.v1", 60.0, {"due": "100.00"}),
        ("billing", "PaymentReceived.v1", 90.0, {"due": "0.00"}),
    )
    assert waits(found) == [("approval", 1.0, True), ("payment", 88.0, True), ("order", HOUR - 90.0, False)]
    assert found.waits[-1].tone == "late", "an order is ours to make within a minute"


def test_what_goes_on_is_counted_until_now_and_beyond_its_limit_it_is_late() -> None:
    found = way(OPENED, APPROVED, now=4 * 86_400.0)
    assert waits(found)[-1] == ("confirmation", 4 * 86_400.0 - 0.2, False)
    assert [each.tone for each in found.waits] == ["ours", "late"]
    assert found.end == START + timedelta(days=4)


def test_a_document_is_sent_by_us_and_then_signed_by_the_other_side() -> None:
    found = way(
        OPENED,
        APPROVED,
        ACT,
        ("shipping", "DocumentDispatched.v1", 10.4, {"document_id": "act-1"}),
        ("shipping", "DocumentSigned.v2", 100.4, {"document_id": "act-1"}),
    )
    papers = [(each.waits_for, each.document, each.seconds) for each in found.waits if each.document]
    assert papers == [("dispatch", "act-1", 10.0), ("signature", "act-1", 90.0)]
    assert [each.words for each in found.moments] == [
        "документ act-1 выписан",
        "документ act-1 отправлен",
        "документ act-1 подписан",
    ]


@pytest.mark.parametrize("kind", ["BillingClosed.v1", "ShippingClosed.v1", "DistributorDeclined.v1"])
def test_a_request_that_has_ended_waits_for_nobody(kind: str) -> None:
    found = way(OPENED, APPROVED, ("billing", kind, 5.2, {"reason": "withdrawn"}))
    assert waits(found) == [("approval", 0.2, True), ("confirmation", 5.0, True)]


def test_refusals_say_why_and_letters_stand_beside_them_in_order() -> None:
    letter = SpanMoment(Sign.LETTER, START + timedelta(seconds=2), "Заявка отклонена (отправлено)")
    reasons = [{"code": "inn", "message": "Нет такого ИНН"}, {"code": "contact", "message": "Нет контакта"}]
    found = way(OPENED, ("approval", "Rejected.v1", 1.0, {"reasons": reasons}), beside=(letter,))
    assert [(each.sign, each.words) for each in found.moments] == [
        (Sign.REFUSAL, "Нет такого ИНН; Нет контакта"),
        (Sign.LETTER, letter.words),
    ]
    assert found.end == letter.at


def test_work_is_from_cause_to_event_and_a_pause_of_people_is_none() -> None:
    events = history(OPENED, APPROVED, ("billing", "BillingOpened.v1", 0.5, {}))
    outside = history(OPENED, ("billing", "DistributorConfirmed.v1", 7_200.0, {}))[1]
    given = [
        *events,
        ShownEvent(*("billing", 9, REQUEST, 9, outside.type, outside.time, 9, "kafka:c/0/1", None, None, None, b"{}")),
    ]
    found = chart_of(given, (), LIMITS, START)
    assert found is not None
    assert [(each.stage, each.events, round(each.seconds, 3)) for each in found.work] == [
        ("request", 1, 0.0),
        ("approval", 1, 0.2),
        ("billing", 2, 0.3),
    ]


def test_places_lie_within_the_picture() -> None:
    found = way(OPENED, APPROVED)
    assert found.place(START - timedelta(days=1)) == 0.0
    assert found.place(found.end) == 1_000.0
    assert found.place(START + timedelta(seconds=HOUR / 2)) == 500.0


def test_without_an_event_there_is_no_way() -> None:
    assert chart_of([], (), LIMITS, START) is None
