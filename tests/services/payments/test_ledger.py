"""The books say what billing's events say: every payment once, every part, every balance; in any order of topics."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import psycopg
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import given as for_all
from hypothesis import settings as how
from hypothesis import strategies as st
from psycopg.rows import dict_row

from events.billing import BillingClosed, PaymentMatched, PaymentReceived, PaymentUnmatched, ReturnOrdered
from events.commands import (
    BankPayment,
    BankReturn,
    CreditOverpayment,
    DistributorConfirmation,
    KitManufactured,
    MatchPayment,
    ReturnMoney,
)
from events.shipping import Kit
from events.topics import MANUFACTURING_KITS, PAYMENT_COMMANDS
from postavka.kernel.log.record import Record
from postavka.kernel.settings import Settings
from services.payments import work_list
from services.payments.ids import payment_in
from services.payments.projection import TOPICS, Books
from services.payments.queue_files import to_return, unmatched
from services.payments.queue_filters import QueueFilters
from services.payments.reconcile import OpenKind, PartyKind, UnknownParty, month_of, reconcile
from tests.services.histories import DISTRIBUTOR, PARTNER, PRICE
from tests.services.payments.conftest import TABLES
from tests.services.test_money_conserved import (
    CONFIRMATIONS,
    DIRECT,
    NUMBERS,
    THROUGH_DISTRIBUTOR,
    World,
    steps,
    take,
)

D = Decimal
STRANGER = "500100732259"
NARROWED = (
    ("", ["p-1", "p-2"]),
    (f"q={STRANGER}", ["p-1"]),
    ("q=ПРОГРАММЫ+p-1", ["p-1"]),
    ("q=без+номёра", ["p-2"]),
    ("q=p-3", []),
    ("least=1000,01", ["p-1"]),
    ("most=1 000,00", ["p-2"]),
    ("since=2026-11-05&until=2026-11-05", ["p-1", "p-2"]),
    ("since=2026-11-06", []),
    ("until=2026-11-04", []),
    ("since=yesterday&least=much", ["p-1", "p-2"]),
)
"""Queries of the queue's address, and the payments that are left."""


def entered(settings: Settings, world: World, shuffled: random.Random | None = None) -> None:
    """All that is on the world's log, into the books; topics mixed, records of a topic in order."""
    books = Books(settings)
    books.marks([f"{topic}/0" for topic in TOPICS])
    left = {topic: list(world.log.topics[topic]) for topic in TOPICS}
    batch: list[Record] = []
    while any(left.values()):
        waiting = [topic for topic in TOPICS if left[topic]]
        topic = shuffled.choice(waiting) if shuffled else waiting[0]
        batch.append(left[topic].pop(0))
        if len(batch) >= 7:
            books.project(batch)
            batch = []
    books.project(batch)
    books.project([record for topic in TOPICS for record in world.log.topics[topic]])  # again: changes nothing


def rows(settings: Settings, query: str) -> list[dict[str, Any]]:
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    with psycopg.connect(url, row_factory=dict_row, options="-c search_path=payments") as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.fixture
def world() -> World:
    """Two direct sales and one through a distributor, approved."""
    made = World()
    for request in (*DIRECT, THROUGH_DISTRIBUTOR):
        made.approve(request)
        made.settle()
    return made


def pays(payment_id: str, amount: str, purpose: str = "", inn: str = PARTNER.inn, day: int = 5) -> BankPayment:
    return BankPayment(
        payment_id=payment_id,
        amount=D(amount),
        received_on=date(2026, 11, day),
        payer_inn=inn,
        purpose=purpose or f"Оплата по счету {NUMBERS[0]}",
    )


def goes_back(return_id: str, amount: str, purpose: str, inn: str = PARTNER.inn, day: int = 20) -> BankReturn:
    return BankReturn(
        return_id=return_id, amount=D(amount), paid_on=date(2026, 11, day), payee_inn=inn, purpose=purpose
    )


def orders(world: World, order: MatchPayment | ReturnMoney | CreditOverpayment) -> None:
    world.order(order)
    world.settle()


def test_the_queue_suggests_and_empties(settings: Settings, world: World):
    world.report(pays("p-1", "1500.00", "за программы", STRANGER))
    world.report(pays("p-2", "1000.00", "без номера"))
    world.settle()
    entered(settings, world)
    with work_list.connect(_url(settings)) as connection:
        first, second = work_list.unmatched_payments(connection)
        assert (first["payment_id"], first["left_over"], first["candidates"]) == ("p-1", D("1500.00"), [])
        assert [each["number"] for each in second["candidates"]] == list(NUMBERS[:2])
        assert all(each["same_payer"] and each["same_sum"] for each in second["candidates"])
        assert (first["chosen"], second["chosen"]) == (None, None), "both cost the same: a person chooses"
        for query, found in NARROWED:
            only = QueueFilters.of(dict(parse_qsl(query)))
            assert [each["payment_id"] for each in work_list.unmatched_payments(connection, only=only)] == found, query
            assert [row[-2] for row in unmatched(connection, only)] == found, query
    match = MatchPayment(
        order_id="o-1", payment_id="p-1", invoice_number=NUMBERS[0], ordered_by="o", note="мать платит"
    )
    orders(world, match)
    orders(world, ReturnMoney(order_id="o-2", payment_id="p-1", ordered_by="orlova", note="остаток"))
    orders(world, match.model_copy(update={"order_id": "o-3"}))
    entered(settings, world)
    with work_list.connect(_url(settings)) as connection:
        assert [each["payment_id"] for each in work_list.unmatched_payments(connection)] == ["p-2"]
        (owed,) = work_list.to_return(connection)
        assert [row[2] for row in to_return(connection, QueueFilters(q=STRANGER))] == [D("500.00")]
        assert to_return(connection, QueueFilters(q="никто")) == to_return(connection, QueueFilters(least="501")) == []
        assert (owed["payment_id"], owed["amount"], owed["payee_inn"]) == ("p-1", D("500.00"), STRANGER)
        assert "p-1" in owed["purpose"]
        done, refused = work_list.outcome_of(connection, "o-1"), work_list.outcome_of(connection, "o-3")
        assert done is not None
        assert (done["code"], done["amount"]) == (None, D("1000.00"))
        assert refused is not None
        assert refused["code"] == "nothing-due"
        whole = work_list.payment(connection, "p-1")
        assert whole is not None
        assert [(each["part"], each["amount"], each["invoice"]) for each in whole["parts"]] == [
            (1, D("1000.00"), NUMBERS[0]),
            (2, D("500.00"), None),
        ]


def test_a_month_is_reconciled_as_of_its_last_day(settings: Settings, world: World):
    world.report(pays("p-1", "1000.00", day=5))
    world.report(pays("p-2", "300.00", f"сч {NUMBERS[1]}", day=6))
    world.report(pays("p-3", "77.00", "?", STRANGER))
    world.log.send(
        CONFIRMATIONS,
        str(THROUGH_DISTRIBUTOR),
        DistributorConfirmation(request_id=THROUGH_DISTRIBUTOR, confirmation_id="c", accepted=True),
    )
    world.settle()
    kit = KitManufactured(request_id=DIRECT[0], kit=Kit(number="K-1", name="Комплект", code="X"))
    world.log.send(MANUFACTURING_KITS.name, str(DIRECT[0]), kit)
    world.settle()
    world.report(goes_back("r-1", "400.00", f"возврат по счету {NUMBERS[0]}"))
    world.settle()
    entered(settings, world, random.Random(7))
    # What the stages date by today's clock is put into November, like the payments.
    with psycopg.connect(_url(settings), options="-c search_path=payments") as connection:
        connection.execute("UPDATE invoices SET issued_on = '2026-11-02'")
        connection.execute("UPDATE sales SET approved_on = '2026-11-01'")
        connection.execute("UPDATE sales SET ordered_on = '2026-11-08' WHERE ordered_on IS NOT NULL")
        connection.execute("UPDATE sales SET shipped_on = '2026-11-10' WHERE shipped_on IS NOT NULL")
        connection.execute("UPDATE sales SET confirmed_on = '2026-12-01' WHERE confirmed_on IS NOT NULL")
        connection.execute("UPDATE documents SET issued_on = '2026-11-01'")
    with work_list.connect(_url(settings)) as connection:
        november = reconcile(connection, *month_of("2026-11"))
        partner, distributor = november.accounts
        assert (partner.party.kind, partner.party.inn) == (PartyKind.PARTNER, PARTNER.inn)
        assert (partner.opening, partner.debit, partner.credit) == (D(0), PRICE + D("400.00"), D("1300.00"))
        assert partner.closing == D("100.00")
        assert [line.day.day for line in partner.movements] == [5, 6, 10, 20]
        assert [line.text.split(",")[0] for line in partner.movements] == [
            f"Оплата по счёту № {NUMBERS[0]}",
            f"Оплата по счёту № {NUMBERS[1]}",
            "Поставка",
            f"Отзыв оплаты банком по счёту № {NUMBERS[0]}",
        ]
        opened = {(each.kind, each.amount) for each in partner.open}
        assert opened >= {(OpenKind.UNPAID, D("700.00")), (OpenKind.DEBT, D("400.00")), (OpenKind.UNSIGNED, None)}
        assert [each.kind for each in distributor.open] == [OpenKind.UNCONFIRMED, OpenKind.UNSIGNED]
        assert [each.amount for each in november.unknown] == [D("77.00")]
        mid = reconcile(connection, date(2026, 11, 1), date(2026, 11, 9), partner="p-1").accounts
        assert [each.closing for each in mid] == [D("-1300.00")]
        assert {each.kind for each in mid[0].open} == {OpenKind.UNPAID, OpenKind.NOT_DELIVERED, OpenKind.UNSIGNED}
        december = reconcile(connection, *month_of("2026-12"))
        assert [each.opening for each in december.accounts][:1] == [D("100.00")]
        assert [each.kind for each in december.accounts[1].open] == [OpenKind.NOT_DELIVERED, OpenKind.UNSIGNED]
        with pytest.raises(UnknownParty):
            reconcile(connection, *month_of("2026-11"), partner="nobody")
        shown = november.as_json()
        assert shown["accounts"][0]["closing"] == "100.00"


def test_a_refund_is_owed_until_the_statement_says_it_is_paid(settings: Settings, world: World):
    world.report(pays("p-1", "600.00"))
    world.settle()
    world.withdraw(DIRECT[0])
    world.settle()
    entered(settings, world)
    with work_list.connect(_url(settings)) as connection:
        (owed,) = work_list.to_return(connection)
    assert (owed["invoice"], owed["amount"], owed["payee_name"]) == (NUMBERS[0], D("600.00"), PARTNER.name)
    world.report(goes_back("r-1", "600.00", owed["purpose"]))
    world.settle()
    entered(settings, world)
    with work_list.connect(_url(settings)) as connection:
        assert work_list.to_return(connection) == []
        assert work_list.unmatched_returns(connection) == []


def test_what_came_above_an_invoice_is_owed_back_before_anybody_has_ordered_it(settings: Settings, world: World):
    world.report(pays("p-1", "4000.00"))
    world.settle()
    entered(settings, world)
    (over,) = owed_back(settings)
    assert (over["invoice"], over["amount"], over["cause"]) == (NUMBERS[0], D("3000.00"), "overpaid")
    assert (over["payee_inn"], over["payee_name"]) == (PARTNER.inn, PARTNER.name)
    orders(world, ReturnMoney(order_id="o-1", invoice_number=NUMBERS[0], amount=D("500"), ordered_by="o", note="часть"))
    entered(settings, world)
    assert [(each["cause"], each["amount"]) for each in owed_back(settings)] == [
        ("ordered", D("500.00")),
        ("overpaid", D("2500.00")),
    ]
    world.report(goes_back("r-1", "500.00", over["purpose"]))
    world.report(goes_back("r-2", "2500.00", over["purpose"]))
    world.settle()
    entered(settings, world)
    assert owed_back(settings) == []
    (invoice,) = rows(settings, "SELECT paid, due, is_debt FROM invoices WHERE paid > 0")
    assert (invoice["paid"], invoice["due"], bool(invoice["is_debt"])) == (PRICE, D(0), False)


CREDIT = CreditOverpayment(
    order_id="o-1", invoice_number=NUMBERS[0], to_invoice=NUMBERS[1], ordered_by="orlova", note="письмо партнёра"
)


def test_an_overpayment_goes_to_another_invoice_of_the_partner_and_both_books_and_act_say_so(
    settings: Settings, world: World
):
    world.report(pays("p-1", "1600.00"))
    world.settle()
    entered(settings, world)
    with work_list.connect(_url(settings)) as connection:
        (over,) = work_list.overpayments(connection, work_list.to_return(connection))
        assert (over["amount"], over["chosen"]) == (D("600.00"), None)
        assert [(each["number"], each["due"]) for each in over["candidates"]] == [(NUMBERS[1], PRICE)]
    orders(world, CREDIT)
    orders(world, CREDIT)  # told twice
    orders(world, CREDIT.model_copy(update={"order_id": "o-2"}))  # and by another operator
    entered(settings, world, random.Random(3))
    assert owed_back(settings) == []
    assert [(each["number"], each["paid"], each["due"], each["overpaid"]) for each in invoices(settings)] == [
        (NUMBERS[0], PRICE, D(0), D(0)),
        (NUMBERS[1], D("600.00"), D("400.00"), D(0)),
    ]
    with work_list.connect(_url(settings)) as connection:
        assert work_list.unmatched_payments(connection) == []
        done, second = work_list.outcome_of(connection, "o-1"), work_list.outcome_of(connection, "o-2")
        assert done is not None
        assert (done["code"], done["amount"], done["invoice"]) == (None, D("600.00"), NUMBERS[1])
        assert second is not None
        assert second["reason"] == f"По счёту {NUMBERS[0]} нет переплаты, которую можно зачесть."
        (account,) = reconcile(connection, date(2026, 1, 1), date(2099, 1, 1), partner="p-1").accounts
    moved = {line.text: (line.debit, line.credit) for line in account.movements}
    assert moved == {
        f"Оплата по счёту № {NUMBERS[0]}": (D(0), D("1600.00")),
        f"Переплата снята для другого счёта, оплата по счёту № {NUMBERS[0]}": (D("600.00"), D(0)),
        f"Зачёт переплаты по счёту № {NUMBERS[1]}": (D(0), D("600.00")),
    }
    assert account.closing == D("-1600.00"), "what is owed stays, whichever invoice has it"
    assert {each.kind for each in account.open} >= {OpenKind.UNPAID, OpenKind.NOT_DELIVERED}
    assert OpenKind.OVERPAID not in {each.kind for each in account.open}


def test_a_credit_whose_invoice_was_paid_meanwhile_waits_in_the_queue_and_can_go_back(settings: Settings, world: World):
    world.report(pays("p-1", "1600.00"))
    world.settle()
    world.log.send(PAYMENT_COMMANDS.name, "o", CREDIT)
    world.settle()
    world.report(pays("p-2", "1000.00", f"сч {NUMBERS[1]}"))
    world.settle()
    world.log.send(PAYMENT_COMMANDS.name, "o", CREDIT.match)
    world.settle()
    entered(settings, world)
    with work_list.connect(_url(settings)) as connection:
        (waits,) = work_list.unmatched_payments(connection)
        assert (waits["payment_id"], waits["left_over"]) == (CREDIT.payment_id, D("600.00"))
        assert waits["purpose"] == f"Переплата по счёту {NUMBERS[0]}, для счёта {NUMBERS[1]}"
        outcome = work_list.outcome_of(connection, "o-1")
        assert outcome is not None
        assert outcome["code"] == "nothing-due"
        assert outcome["reason"].endswith("Деньги сняты с первого счёта и ждут в «Не разнесено».")
    back = ReturnMoney(order_id="o-3", payment_id=CREDIT.payment_id, ordered_by="orlova", note="вернуть")
    orders(world, back)
    entered(settings, world)
    (owed,) = owed_back(settings)
    assert (owed["amount"], owed["payee_inn"]) == (D("600.00"), PARTNER.inn)
    assert payment_in(owed["purpose"]) == CREDIT.payment_id, "the statement will be understood"


def invoices(settings: Settings) -> list[dict[str, Any]]:
    return rows(settings, "SELECT * FROM invoices ORDER BY number")


def owed_back(settings: Settings) -> list[dict[str, Any]]:
    with work_list.connect(_url(settings)) as connection:
        return work_list.to_return(connection)


@pytest.mark.parametrize(
    ("fits", "number"),
    [
        ([], None),
        (["payer"], None),
        (["sum"], None),
        (["payer", "payer sum"], "2"),
        (["payer sum", "payer sum"], None),
        (["number", "payer sum"], "1"),
        (["number payer", "number"], None),
        (["number", "payer", "sum"], "1"),
    ],
)
def test_an_invoice_is_chosen_beforehand_only_if_number_or_payer_and_sum_say_so(fits: list[str], number: str | None):
    candidates = [
        {"number": str(count)} | {f"same_{how}": how in each.split() for how in ("number", "payer", "sum")}
        for count, each in enumerate(fits, 1)
    ]
    assert work_list.chosen(candidates) == number


@how(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@for_all(happens=st.lists(steps(), min_size=12, max_size=40), seed=st.integers(0, 1_000))
def test_the_books_are_billings_whatever_happened(settings: Settings, happens: list[tuple[str, Any]], seed: int):
    world = World()
    for step in [("approve", DIRECT[0]), ("settle", None), ("approve", DIRECT[1]), *happens, ("settle", None)]:
        take(world, step)
    pictures = []
    for shuffled in (None, random.Random(seed)):
        with psycopg.connect(_url(settings), autocommit=True, options="-c search_path=payments") as connection:
            for table in (*TABLES, "marks", "unread"):
                connection.execute(f"TRUNCATE {table}".encode())
        entered(settings, world, shuffled)
        assert rows(settings, "SELECT * FROM unread") == []
        pictures.append({table: _sorted(rows(settings, f"TABLE {table}")) for table in TABLES})
    assert pictures[0] == pictures[1]
    told = world.billing.told()
    parked = sum((each.amount for each in told if isinstance(each, PaymentUnmatched)), D(0))
    parts = sum((each.amount for each in told if isinstance(each, PaymentMatched | ReturnOrdered)), D(0))
    (waits,) = rows(settings, "SELECT coalesce(sum(left_over), 0) AS total FROM unmatched_payments")
    assert waits["total"] == parked - parts
    (came,) = rows(settings, "SELECT coalesce(sum(amount), 0) AS total FROM reported WHERE incoming")
    assert came["total"] == sum(world.billed.values())
    paid = {each.invoice_number: each.paid for each in told if isinstance(each, PaymentReceived)}
    assert paid.keys() <= {each["number"] for each in rows(settings, "SELECT number FROM invoices")}
    closed = [each for each in rows(settings, "SELECT closed FROM sales") if each["closed"]]
    assert len(closed) >= len([each for each in told if isinstance(each, BillingClosed)]) - 1
    assert DISTRIBUTOR.inn


def _sorted(found: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(map(str, found))


def _url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()
