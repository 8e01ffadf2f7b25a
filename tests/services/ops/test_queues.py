"""What waits, for what and for whom: by status, beside the limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.cabinet import table
from services.cabinet.table import SCHEMA, write_groups
from services.ops import queues as waits
from services.ops.reminders import JustReminded, NobodyToRemind, awaited, remind
from services.ops.settings import OpsSettings
from services.ops.store import prepare

LIMITS = OpsSettings()
Groups = Mapping[str, Mapping[str, Any]]


def ago(**past: float) -> str:
    return (datetime.now(UTC) - timedelta(**past)).isoformat().replace("+00:00", "Z")


def asked(**past: float) -> dict[str, Any]:
    return {"submitted_at": ago(**past), "partner_id": "lukomor", "distributor_id": "dist-north"}


def approved(channel: str, **past: float) -> dict[str, Any]:
    return {"approved_at": ago(**past), "channel": channel}


def cases() -> dict[str, tuple[Groups, str | None, bool]]:
    """What has happened, counted back from now → what is waited for, and whether it is overdue."""
    return {
        "fresh": ({"request": asked(seconds=5)}, "approval", False),
        "not approved for five minutes": ({"request": asked(minutes=5)}, "approval", True),
        "rejected": ({"request": asked(days=9), "approval": {"rejected_at": ago(days=9)}}, None, False),
        "waits for the distributor": (
            {"request": asked(days=4), "approval": approved("distributor", days=4)},
            "confirmation",
            True,
        ),
        "confirmed, not ordered": (
            {
                "request": asked(days=4),
                "approval": approved("distributor", days=4),
                "billing": {"confirmed_at": ago(minutes=3)},
            },
            "order",
            True,
        ),
        "waits for money": (
            {
                "request": asked(days=4),
                "approval": approved("direct", days=4),
                "billing": {"invoice": {"issued_at": ago(days=4)}},
            },
            "payment",
            False,
        ),
        "paid, not ordered": (
            {
                "request": asked(days=4),
                "approval": approved("direct", days=4),
                "billing": {
                    "invoice": {"issued_at": ago(days=4)},
                    "due": "0.00",
                    "payments": [{"at": ago(days=3)}, {"at": ago(seconds=20)}],
                },
            },
            "order",
            False,
        ),
        "being made": (
            {
                "request": asked(days=4),
                "approval": approved("direct", days=4),
                "shipping": {"ordered_at": ago(hours=2)},
            },
            "kit",
            True,
        ),
        "not activated": (
            {"request": asked(days=4), "shipping": {"ordered_at": ago(days=3), "shipped_at": ago(days=3)}},
            "activation",
            False,
        ),
        "activated": (
            {"request": asked(days=4), "shipping": {"shipped_at": ago(days=3)}, "activation": {"activated_at": ago()}},
            None,
            False,
        ),
    }


@pytest.fixture
def url(database: str) -> str:
    """A database with the cabinet and operations, empty."""
    table.prepare(database)
    prepare(database)
    return database


def fill(url: str, rows: Mapping[UUID, Groups]) -> None:
    with psycopg.connect(url, options=f"-c search_path={SCHEMA}") as connection:
        write_groups(connection, rows)


@pytest.mark.parametrize("case", cases())
def test_what_a_request_waits_for_follows_from_what_has_happened(url: str, case: str) -> None:
    groups, waits_for, overdue = cases()[case]
    fill(url, {uuid4(): groups})
    with psycopg.connect(url) as connection:
        found = waits.waiting(connection, LIMITS)
        late = waits.waiting(connection, LIMITS, overdue_only=True)
    assert [each.waits_for for each in found] == ([] if waits_for is None else [waits_for])
    assert bool(late) == overdue


def test_every_unsigned_document_but_the_invoice_waits_for_a_signature(url: str) -> None:
    documents = {
        "act-1": {"kind": "act", "issued_at": ago(days=20)},
        "invoice-1": {"kind": "invoice", "issued_at": ago(days=20)},
        "shipping-1": {"kind": "shipping", "issued_at": ago(days=20), "signed_at": ago(days=1)},
    }
    fill(url, {uuid4(): {"request": asked(days=21), "shipping": {"shipped_at": ago(days=1), "documents": documents}}})
    with psycopg.connect(url) as connection:
        found = waits.waiting(connection, LIMITS, "signature")
    assert [(each.document, each.overdue) for each in found] == [("act-1", True)]


def test_queues_count_what_waits_and_name_the_oldest(url: str) -> None:
    oldest = uuid4()
    rows: dict[UUID, Groups] = {uuid4(): {"request": asked(seconds=number)} for number in range(20)}
    rows[oldest] = {"request": asked(minutes=9)}
    fill(url, rows)
    with psycopg.connect(url, autocommit=True) as connection:
        queues = waits.queues(connection, LIMITS)
        waits.note_day(connection, queues)
        waits.note_day(connection, [queue for queue in queues if queue.waits_for != "approval"])
        days = waits.trend(connection, 1)
        parts = [waits.waiting(connection, LIMITS, "approval", limit=8, skip=skip) for skip in (0, 8, 16, 24)]
    assert [len(part) for part in parts] == [8, 8, 5, 0]
    assert [each.request_id for part in parts for each in part] == [oldest, *reversed(list(rows)[:-1])]
    approval = queues[0]
    assert [queue.waits_for for queue in queues] == list(waits.KINDS)
    assert (approval.waiting, approval.overdue, approval.oldest_request) == (21, 1, oldest)
    assert approval.oldest_seconds == pytest.approx(540, abs=30)
    assert [(row[1], row[2], row[3]) for row in days if row[1] == "approval"] == [("approval", 21, 1)]


def test_a_reminder_goes_to_who_must_act_and_not_twice_in_a_row(url: str) -> None:
    fill(url, {uuid4(): cases()["waits for the distributor"][0]})
    with psycopg.connect(url) as connection:
        (item,) = waits.waiting(connection, LIMITS)
    sent = remind(url, item, "anna", "Клиент торопится")
    assert (sent.awaited, sent.awaited_id, sent.waits_for) == ("distributor", "dist-north", "confirmation")
    with pytest.raises(JustReminded):
        remind(url, item, "boris")


def test_what_is_ours_to_do_reminds_nobody(url: str) -> None:
    fill(url, {uuid4(): cases()["confirmed, not ordered"][0]})
    with psycopg.connect(url) as connection:
        (item,) = waits.waiting(connection, LIMITS)
    with pytest.raises(NobodyToRemind):
        awaited(item)


def test_nothing_waits_before_there_is_a_cabinet(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        assert [queue.waiting for queue in waits.queues(connection, LIMITS)] == [0] * len(waits.KINDS)
