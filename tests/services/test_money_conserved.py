"""Money is never created or lost, and nothing is manufactured without the gate: whatever comes, in whatever order.

The real stages billing and shipping run together on a log and stores in memory. Hypothesis makes requests, statements,
orders by hand, withdrawals and kits, lets any of them come twice, and decides who reads what when, in which batches,
and when a process dies. At the end, and at every step, the books are made anew from the events alone and compared.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from events.billing import (
    BillingClosed,
    DistributorConfirmed,
    InvoiceIssued,
    OverpaymentCredited,
    PaymentMatched,
    PaymentReceived,
    PaymentReturned,
    PaymentUnmatched,
    RefundOwed,
    RefundPaid,
    ReturnOrdered,
    ReturnPaid,
    ReturnUnmatched,
)
from events.commands import (
    BankPayment,
    BankReturn,
    CreditOverpayment,
    DistributorConfirmation,
    KitManufactured,
    MatchPayment,
    MatchReturn,
    ReturnMoney,
)
from events.envelope import Envelope
from events.model import Message
from events.registry import encode
from events.request import RequestWithdrawn
from events.shipping import Basis, Kit, ManufacturingOrdered, ShippingClosed, WithdrawalRefused
from events.topics import (
    APPROVAL_EVENTS,
    BANK_PAYMENTS,
    MANUFACTURING_KITS,
    PAYMENT_COMMANDS,
    REQUEST_EVENTS,
    SHIPPING_EVENTS,
    confirmations_of,
)
from postavka.domain.calendar import today
from postavka.kernel.stage.definition import Input
from services.billing import stage as billing
from services.shipping import stage as shipping
from tests.services.histories import DISTRIBUTOR, PARTNER, PRICE, approved
from tests.services.memory import NOON, Log, Worker

REQUESTS = tuple(UUID(f"0190f3a0-0000-7000-8000-00000000000{number}") for number in (1, 2, 3))
DIRECT = REQUESTS[:2]
THROUGH_DISTRIBUTOR = REQUESTS[2]
CONFIRMATIONS = confirmations_of("d-1")
NUMBERS = tuple(f"{today().year}-{count:07d}" for count in (1, 2, 3))
PAYMENTS = tuple(f"pay-{number}" for number in range(1, 5))
RETURNS = tuple(f"ret-{number}" for number in range(1, 5))
SUM = st.sampled_from([PRICE, PRICE, PRICE / 2, PRICE / 4, PRICE * 2, Decimal("0.01"), Decimal("333.33")]).map(
    lambda amount: amount.quantize(Decimal("0.01"))
)
INN = st.sampled_from([PARTNER.inn] * 4 + [DISTRIBUTOR.inn])
DAY = date(2026, 3, 5)
ONE = st.sampled_from


def billing_inputs() -> list[Input]:
    """Those of the stage, for one distributor."""
    from events.approval import Approved, Rejected

    return [
        Input(APPROVAL_EVENTS.name, (Approved, Rejected), from_stage=True),
        Input(REQUEST_EVENTS.name, (RequestWithdrawn,), from_stage=True),
        Input(SHIPPING_EVENTS.name, (ShippingClosed,), from_stage=True),
        Input(BANK_PAYMENTS.name, (BankPayment, BankReturn), BANK_PAYMENTS.default_type),
        Input(PAYMENT_COMMANDS.name, (MatchPayment, ReturnMoney, MatchReturn, CreditOverpayment)),
        Input(CONFIRMATIONS, (DistributorConfirmation,), DistributorConfirmation.TYPE),
    ]


@dataclass
class World:
    """Two stages, their log, and what the bank has reported."""

    log: Log = field(default_factory=Log)
    billed: dict[str, Decimal] = field(default_factory=dict)
    returned: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.billing = Worker(billing.STAGE, billing_inputs(), self.log)
        self.shipping = Worker(shipping.STAGE, shipping.inputs(), self.log)
        self._positions: dict[str, int] = defaultdict(int)

    def approve(self, request: UUID) -> None:
        self._told(APPROVAL_EVENTS.name, request, approved(DISTRIBUTOR if request == THROUGH_DISTRIBUTOR else None))

    def withdraw(self, request: UUID) -> None:
        self._told(REQUEST_EVENTS.name, request, RequestWithdrawn(withdrawn_by="ivanova"))

    def report(self, message: BankPayment | BankReturn) -> None:
        """The bank's word. The same id is the same money: what came first is what there was."""
        if isinstance(message, BankPayment):
            amount = self.billed.setdefault(message.payment_id, message.amount)
            self.log.send(BANK_PAYMENTS.name, message.payment_id, message.model_copy(update={"amount": amount}))
        else:
            amount = self.returned.setdefault(message.return_id, message.amount)
            self.log.send(BANK_PAYMENTS.name, message.return_id, message.model_copy(update={"amount": amount}))

    def order(self, order: MatchPayment | ReturnMoney | MatchReturn | CreditOverpayment) -> None:
        """An order by hand; a credit with the match behind it."""
        self.log.send(PAYMENT_COMMANDS.name, order.order_id, order)
        if isinstance(order, CreditOverpayment):
            self.log.send(PAYMENT_COMMANDS.name, order.order_id, order.match)

    def _told(self, topic: str, request: UUID, event: Message) -> None:
        self._positions[topic] += 1
        position = self._positions[topic]
        envelope = Envelope(f"{request}/{position}", "/test", event.TYPE, str(request), NOON, position=position)
        self.log.write(topic, envelope, encode(event))

    def settle(self) -> None:
        """Until everybody has read everything."""
        while any(worker.behind(feed.topic) for worker in self.workers for feed in worker.inputs):
            for worker in self.workers:
                worker.read([feed.topic for feed in worker.inputs], 100)
                worker.publish()

    @property
    def workers(self) -> tuple[Worker, Worker]:
        return self.billing, self.shipping


def steps() -> st.SearchStrategy[tuple[str, Any]]:
    """One thing that happens."""
    note = {"ordered_by": "orlova", "note": "проверка"}
    payment = st.builds(
        BankPayment,
        payment_id=ONE(PAYMENTS),
        amount=SUM,
        received_on=st.just(DAY),
        payer_inn=INN,
        purpose=ONE([f"Оплата по счету {number}" for number in (*NUMBERS, *NUMBERS[:2])] + ["Оплата"]),
    )
    gone = st.builds(
        BankReturn,
        return_id=ONE(RETURNS),
        amount=SUM,
        paid_on=st.just(DAY),
        payee_inn=INN,
        purpose=ONE([f"Возврат по счету {number}" for number in (*NUMBERS, *NUMBERS[:2])] + ["Возврат"]),
        payment_id=ONE([None, None, *PAYMENTS]),
    )
    orders = st.integers(1, 30).map(lambda number: f"order-{number}")
    match = st.builds(
        MatchPayment,
        order_id=orders,
        payment_id=ONE(PAYMENTS),
        invoice_number=ONE(NUMBERS),
        amount=st.none() | SUM,
        **{name: st.just(value) for name, value in note.items()},
    )
    give_back = st.one_of(
        st.builds(
            ReturnMoney,
            order_id=orders,
            payment_id=ONE(PAYMENTS),
            amount=st.none() | SUM,
            **{name: st.just(value) for name, value in note.items()},
        ),
        st.builds(
            ReturnMoney,
            order_id=orders,
            invoice_number=ONE(NUMBERS),
            amount=st.none() | SUM,
            **{name: st.just(value) for name, value in note.items()},
        ),
    )
    match_return = st.one_of(
        st.builds(
            MatchReturn,
            order_id=orders,
            return_id=ONE(RETURNS),
            invoice_number=ONE(NUMBERS),
            **{name: st.just(value) for name, value in note.items()},
        ),
        st.builds(
            MatchReturn,
            order_id=orders,
            return_id=ONE(RETURNS),
            payment_id=ONE(PAYMENTS),
            **{name: st.just(value) for name, value in note.items()},
        ),
    )
    credit = st.builds(
        CreditOverpayment,
        order_id=orders,
        invoice_number=ONE(NUMBERS),
        to_invoice=ONE(NUMBERS),
        amount=st.none() | SUM,
        **{name: st.just(value) for name, value in note.items()},
    )
    credit_back = credit.map(lambda of: ReturnMoney(order_id=f"{of.order_id}-back", payment_id=of.payment_id, **note))
    reads = st.tuples(
        ONE(["billing", "shipping"]),
        st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True),
        ONE([1, 2, 5, 50]),
    )
    kinds: dict[str, tuple[int, st.SearchStrategy[Any]]] = {
        "bank": (8, st.one_of(payment, payment, gone)),
        "order": (
            5,
            st.one_of(match, match, give_back, match_return, credit, credit.map(lambda of: of.match), credit_back),
        ),
        "overpay": (3, st.tuples(ONE(PAYMENTS), credit)),
        "settle": (6, st.none()),
        "read": (4, reads),
        "kit": (1, ONE(REQUESTS)),
        "confirm": (1, st.booleans()),
        "restart": (1, ONE(["billing", "shipping"])),
        "approve": (1, ONE(REQUESTS)),
        "withdraw": (1, ONE(REQUESTS)),
    }
    weighted = [kind for kind, (weight, _) in kinds.items() for _ in range(weight)]
    return ONE(weighted).flatmap(lambda kind: st.tuples(st.just(kind), kinds[kind][1]))


def take(world: World, step: tuple[str, Any]) -> None:
    kind, what = step
    match kind:
        case "approve":
            world.approve(what)
        case "withdraw":
            world.withdraw(what)
        case "bank":
            world.report(what)
        case "order":
            world.order(what)
        case "overpay":
            payment_id, credit = what
            purpose = f"Оплата по счету {credit.invoice_number}"
            about = {"payment_id": payment_id, "received_on": DAY, "payer_inn": PARTNER.inn, "purpose": purpose}
            world.report(BankPayment(amount=PRICE * 2, **about))
            world.settle()
            world.order(credit)
        case "confirm":
            answer = DistributorConfirmation(request_id=THROUGH_DISTRIBUTOR, confirmation_id="c-1", accepted=what)
            world.log.send(CONFIRMATIONS, str(THROUGH_DISTRIBUTOR), answer)
        case "kit":
            kit = Kit(number=f"K-{what}", name="Комплект", code="KX7Q")
            world.log.send(MANUFACTURING_KITS.name, str(what), KitManufactured(request_id=what, kit=kit))
        case "read":
            who, topics, most = what
            worker = world.billing if who == "billing" else world.shipping
            worker.read([worker.inputs[each].topic for each in topics if each < len(worker.inputs)], most)
            worker.publish()
        case "restart":
            (world.billing if what == "billing" else world.shipping).restart()
        case "settle":
            world.settle()


def check_books(world: World) -> None:
    """The books of billing, from its events alone."""
    came: dict[str, Decimal] = {}
    parked: dict[str, Decimal] = {}
    parts: dict[str, Decimal] = defaultdict(Decimal)
    on_way_back: dict[str, Decimal] = defaultdict(Decimal)
    gone: dict[str, Decimal] = {}
    lost: dict[str, Decimal] = {}
    for_invoice: dict[str, Decimal] = defaultdict(Decimal)
    owed: dict[str, Decimal] = defaultdict(Decimal)
    amounts: dict[str, Decimal] = {}
    closed: set[UUID] = set()
    on_way: dict[str, Decimal] = {}

    def leave(event: RefundPaid | PaymentReturned | ReturnPaid) -> None:
        whole = event.return_id.removesuffix("#1")
        if whole != event.return_id:
            assert lost.pop(whole) == event.amount
        assert whole not in gone, "money that went back twice"
        gone[whole] = event.amount

    for recorded, event in zip(world.billing.store.events, world.billing.told(), strict=True):
        match event:
            case InvoiceIssued():
                assert event.number not in amounts
                amounts[event.number] = event.amount
            case OverpaymentCredited():
                for_invoice[event.invoice_number] -= event.amount
                left_here = for_invoice[event.invoice_number]
                assert event.paid == left_here >= amounts[event.invoice_number] + owed[event.invoice_number]
                assert event.overpaid == left_here - amounts[event.invoice_number]
                assert event.payment_id not in parked
                on_way[event.payment_id] = event.amount
            case PaymentUnmatched() if event.reason.code == "credited":
                parked[event.payment_id] = event.amount
                assert on_way.pop(event.payment_id) == event.amount
            case PaymentUnmatched():
                assert event.payment_id not in came
                came[event.payment_id] = parked[event.payment_id] = event.amount
            case PaymentMatched():
                parts[event.payment_id] += event.amount
            case PaymentReceived():
                assert recorded.originator_id not in closed
                if "#" not in event.payment_id:
                    assert event.payment_id not in came
                    came[event.payment_id] = event.amount
                for_invoice[event.invoice_number] += event.amount
                check_invoice(event, for_invoice[event.invoice_number], amounts[event.invoice_number])
                assert event.due >= 0
            case RefundOwed():
                owed[event.invoice_number] += event.amount
                assert event.owed == owed[event.invoice_number] <= for_invoice[event.invoice_number]
            case RefundPaid():
                leave(event)
                for_invoice[event.invoice_number] -= event.amount
                owed[event.invoice_number] -= event.amount
                assert event.owed == owed[event.invoice_number] >= 0
                assert event.paid == for_invoice[event.invoice_number] >= 0
            case PaymentReturned():
                leave(event)
                for_invoice[event.invoice_number] -= event.amount
                owed[event.invoice_number] = event.owed
                check_invoice(event, for_invoice[event.invoice_number], amounts[event.invoice_number])
                assert event.owed <= event.overpaid
            case ReturnOrdered():
                parts[event.payment_id] += event.amount
                on_way_back[event.payment_id] += event.amount
            case ReturnPaid():
                leave(event)
                on_way_back[event.payment_id] -= event.amount
                assert event.to_return == on_way_back[event.payment_id] >= 0
            case ReturnUnmatched():
                assert event.return_id not in gone
                assert event.return_id not in lost
                lost[event.return_id] = event.amount
            case BillingClosed():
                closed.add(recorded.originator_id)
    assert not on_way
    for payment_id, divided in parts.items():
        assert divided <= parked[payment_id], f"more of {payment_id} was given away than came"
    handled = world.log.topics[BANK_PAYMENTS.name][: len(world.log.topics[BANK_PAYMENTS.name])]
    if not world.billing.behind(BANK_PAYMENTS.name) and handled:
        assert came == world.billed, "what came and what is on record"
        assert gone | lost == world.returned, "what went and what is on record"
    left = sum(parked.values()) - sum(parts.values())
    assert sum(came.values()) - sum(gone.values()) == sum(for_invoice.values()) + left + sum(on_way_back.values())
    numbers = sorted(amounts)
    assert numbers == list(NUMBERS[: len(numbers)]), "a gap in the invoice numbers"


def check_invoice(event: PaymentReceived | PaymentReturned, held: Decimal, amount: Decimal) -> None:
    assert event.paid == held >= 0
    assert event.paid - event.overpaid + event.due == amount
    assert min(event.due, event.overpaid) == 0


def check_gate(world: World) -> None:
    """Every order has its word of billing, and billing had it from the bank or from the distributor (L17)."""
    said: dict[UUID, list[Any]] = defaultdict(list)
    for recorded, event in zip(world.billing.store.events, world.billing.told(), strict=True):
        said[recorded.originator_id].append(event)
    for recorded, event in zip(world.shipping.store.events, world.shipping.told(), strict=True):
        if not isinstance(event, ManufacturingOrdered):
            continue
        words = said[recorded.originator_id]
        if event.basis is Basis.PAYMENT:
            assert any(isinstance(w, PaymentReceived) and not w.due and w.payment_id == event.basis_id for w in words)
        else:
            assert any(isinstance(w, DistributorConfirmed) and w.confirmation_id == event.basis_id for w in words)
            assert recorded.originator_id == THROUGH_DISTRIBUTOR


def check_ends(world: World) -> None:
    """When all is read: what is closed is closed on both sides, and its money is owed back."""
    of_billing: dict[UUID, list[Any]] = defaultdict(list)
    of_shipping: dict[UUID, list[Any]] = defaultdict(list)
    for worker, found in ((world.billing, of_billing), (world.shipping, of_shipping)):
        for recorded, event in zip(worker.store.events, worker.told(), strict=True):
            found[recorded.originator_id].append(event)
    for request in DIRECT:
        kinds = {type(event) for event in of_shipping[request]}
        assert not {ManufacturingOrdered, ShippingClosed} <= kinds
        if ShippingClosed in kinds:
            assert BillingClosed in {type(event) for event in of_billing[request]}
            paid, owed = Decimal(0), Decimal(0)
            for event in of_billing[request]:
                paid = getattr(event, "paid", paid)
                owed = getattr(event, "owed", owed)
            assert paid == owed, "what was paid for a closed request is owed back"
        if ManufacturingOrdered in kinds:
            assert BillingClosed not in {type(event) for event in of_billing[request]}
        assert len([event for event in of_shipping[request] if isinstance(event, WithdrawalRefused)]) <= 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@for_all(st.lists(steps(), min_size=12, max_size=40))
def test_money_is_conserved_and_the_gate_holds(happens: list[tuple[str, Any]]):
    world = World()
    for step in [("approve", DIRECT[0]), ("settle", None), ("approve", DIRECT[1]), *happens]:
        take(world, step)
        check_books(world)
        check_gate(world)
    world.settle()
    check_books(world)
    check_gate(world)
    check_ends(world)
    bugs = [
        letter for worker in world.workers for letter in worker.store.dead_letters if letter.code == "decider-failed"
    ]
    assert not bugs
