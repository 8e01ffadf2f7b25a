"""The whole procedure against a plain model: random commands, told twice, read in any order across topics (L2-L19).

The six real stages run on a log in memory, each in the kernel's own runner. Hypothesis sends commands, repeats them,
decides which stage reads which of its topics when and in which batches, publishes, writes late duplicates of a replaced
relay, and kills processes. Beside them runs a model: plain fields and ifs, no decider, no event sourcing. Whatever a
stage makes of a record, type by type, must be what the model says of it; and what the cabinet shows must be where the
model stands.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from events.activation import Activator
from events.commands import (
    ActivateDelivery,
    BankPayment,
    CancelRenewal,
    ConsiderService,
    DistributorConfirmation,
    KitManufactured,
    ScheduleRenewal,
    SubmitRequest,
    WithdrawRequest,
)
from events.envelope import Envelope
from events.model import Event
from events.reference import BaseDelivery, Contact, Contract
from events.registry import decode, read_fields
from events.request import REQUEST_TYPE
from events.shipping import Kit
from events.topics import (
    ACTIVATION_COMMANDS,
    BANK_PAYMENTS,
    MANUFACTURING_KITS,
    REQUEST_COMMANDS,
    SERVICE_COMMANDS,
    STAGE_TOPICS,
    confirmations_of,
)
from postavka.kernel.log.record import Record
from postavka.kernel.stage.definition import Incoming, Input, Stage
from services.activation import decider as activation_decider
from services.activation import stage as activation
from services.approval import decider as approval_decider
from services.approval import stage as approval
from services.billing import stage as billing
from services.cabinet.fold import UNSHOWN, Row, fold, status
from services.renewal import decider as renewal_decider
from services.renewal import stage as renewal
from services.renewal.timer.projection import ServiceRows
from services.request import stage as request
from services.shipping import stage as shipping
from tests.services.histories import DISTRIBUTOR, PARTNER, PRICE, PRODUCT, TODAY
from tests.services.memory import Log, Worker
from tests.services.test_money_conserved import billing_inputs

OTHER = "d-2"
CODE = "KX7Q-22"
ONE = st.sampled_from

# What the stages look up, held in memory


class Known:
    """Reference data: one partner, one distributor, one product that fits one base delivery."""

    def __init__(self, *_: Any) -> None: ...

    def of(self, incoming: Incoming, state: Any) -> approval_decider.Facts:
        asked = approval_decider.Asked.of(dict(incoming.message))
        return approval_decider.Facts(
            version=1,
            partner=PARTNER,
            contacts={"c-1": Contact(id="c-1", name="Иванова Анна")},
            distributor=DISTRIBUTOR if asked.distributor_id == DISTRIBUTOR.id else None,
            base_delivery=BaseDelivery(id="upp-13", name="1С:УПП"),
            product=PRODUCT,
            fits=frozenset(["upp-13"]),
        )

    def decided(self, incoming: Incoming, events: Any) -> None: ...


class Registry:
    """The vendor's contracts: there, or not."""

    def __init__(self) -> None:
        self.contract = False

    def gather(self, *_: Any) -> Registry:
        return self

    def of(self, incoming: Incoming, state: Any) -> activation_decider.Facts:
        contract = Contract(number="ITS-1", valid_from=date(2020, 1, 1), valid_until=date(2099, 12, 31))
        return activation_decider.Facts(TODAY, True, contract if self.contract else None)

    def decided(self, incoming: Incoming, events: Any) -> None: ...


class Days:
    """The broker's time: it goes on by days."""

    def __init__(self) -> None:
        self.today = TODAY

    def gather(self, *_: Any) -> Days:
        return self

    def of(self, incoming: Incoming, state: Any) -> renewal_decider.Facts:
        return renewal_decider.Facts(datetime(2026, 3, 16, tzinfo=UTC), self.today)

    def decided(self, incoming: Incoming, events: Any) -> None: ...


LADDER = (60, 30, 7)

# The plain model

DEAD = None
"""The record goes to the dead letters."""


@dataclass
class Plain:
    """One request, stage by stage, as a clerk would keep it."""

    sent: dict[str, Any] | None = None
    withdrawn: bool = False
    verdict: str = ""
    bill: str = "unseen"
    direct: bool = False
    answered: set[tuple[str, str]] = field(default_factory=set)
    answers_held: list[tuple[str, bool]] = field(default_factory=list)
    payments: set[str] = field(default_factory=set)
    paid: Decimal = Decimal(0)
    declined: bool = False
    ship: str = "unseen"
    bases: list[str] = field(default_factory=list)
    invoice_noted: bool = False
    too_late_told: bool = False
    kit: str = ""
    delivered: bool = False
    tries: set[str] = field(default_factory=set)
    wishes_held: list[dict[str, Any]] = field(default_factory=list)
    wrong_codes: int = 0
    active: bool = False
    term: str = "none"
    names: list[str] = field(default_factory=list)
    own_days: bool = False
    renewals: set[str] = field(default_factory=set)
    asked_by: set[str] = field(default_factory=set)
    reminded: set[int] = field(default_factory=set)
    lapsed: bool = False
    planned: set[str] = field(default_factory=set)
    taken_back: set[str] = field(default_factory=set)

    # request

    def on_submit(self, body: dict[str, Any]) -> list[str] | None:
        if self.sent is None:
            self.sent = body
            return ["RequestSubmitted"]
        return [] if self.sent == body else DEAD

    def on_withdraw(self, body: dict[str, Any]) -> list[str] | None:
        if self.sent is None or body["partner_id"] != self.sent["partner_id"]:
            return DEAD
        if self.withdrawn:
            return []
        self.withdrawn = True
        return ["RequestWithdrawn"]

    # approval

    def on_submitted(self, body: dict[str, Any]) -> list[str]:
        if self.verdict:
            return []
        self.verdict = "Approved" if body["registration_number"] else "Rejected"
        return [self.verdict]

    # billing

    def bill_approved(self, body: dict[str, Any]) -> list[str]:
        if self.bill != "unseen":
            return []
        self.direct = body["distributor"] is None
        self.bill = "invoiced" if self.direct else "waiting"
        return ["BillingOpened", *(["InvoiceIssued"] if self.direct else []), *self._held_answers()]

    def bill_rejected(self) -> list[str]:
        self.bill = "closed"
        return ["BillingClosed", *self._held_answers()]

    def bill_withdrawn(self, has_the_last_word: bool) -> list[str]:
        if self.bill == "unseen":
            self.bill = "closed"
            return ["BillingClosed", *self._held_answers()]
        if self.bill in ("waiting", "invoiced") or (self.bill == "paid" and has_the_last_word):
            self.bill = "closed"
            return ["BillingClosed", *(["RefundOwed"] if self.paid else [])]
        return []

    def bill_answer(self, distributor: str, body: dict[str, Any]) -> list[str]:
        name = (distributor, body["confirmation_id"])
        if name in self.answered:
            return []
        self.answered.add(name)
        if self.bill != "unseen":
            return [self._word(distributor, body["accepted"])]
        if sum(who == distributor for who, _ in self.answers_held) == 3:
            return ["ConfirmationRefused"]
        self.answers_held.append((distributor, body["accepted"]))
        return ["ConfirmationHeld"]

    def _held_answers(self) -> list[str]:
        held, self.answers_held = self.answers_held, []
        return [self._word(*answer) for answer in held]

    def _word(self, distributor: str, accepted: bool) -> str:
        if self.bill != "waiting" or distributor != DISTRIBUTOR.id:
            return "ConfirmationRefused"
        self.bill = "answered"
        self.declined = not accepted
        return "DistributorConfirmed" if accepted else "DistributorDeclined"

    def bill_payment(self, body: dict[str, Any]) -> list[str]:
        if body["payment_id"] in self.payments:
            return []
        self.payments.add(body["payment_id"])
        if self.bill not in ("invoiced", "paid") or body["payer_inn"] != PARTNER.inn:
            return ["PaymentUnmatched"]
        self.paid += Decimal(body["amount"])
        self.bill = "paid" if self.paid >= PRICE else "invoiced"
        return ["PaymentReceived"]

    # shipping

    def ship_approved(self) -> list[str]:
        if self.ship != "unseen":
            return []
        self.ship = "ordered" if self.bases else "waiting"
        return [
            *("ShippingOpened", "PermissionIssued", "DocumentIssued"),
            *(["DocumentIssued"] if self.invoice_noted else []),
            *(["ManufacturingOrdered"] if self.bases else []),
        ]

    def ship_withdrawn(self) -> list[str]:
        if self.ship in ("unseen", "waiting"):
            self.ship = "closed"
            return ["ShippingClosed"]
        if self.ship == "closed" or self.too_late_told:
            return []
        self.too_late_told = True
        return ["WithdrawalRefused"]

    def ship_declined(self) -> list[str]:
        assert self.ship not in ("ordered", "shipped")
        if self.ship == "closed":
            return []
        self.ship = "closed"
        return ["ShippingClosed"]

    def ship_invoice(self) -> list[str]:
        if self.ship == "closed":
            return []
        self.invoice_noted = True
        return ["InvoiceNoted"] if self.ship == "unseen" else ["InvoiceNoted", "DocumentIssued"]

    def ship_basis(self, basis: str) -> list[str]:
        if self.ship == "unseen":
            self.bases.append(basis)
            return ["BasisHeld"]
        if self.ship != "waiting":
            return []
        self.ship = "ordered"
        return ["ManufacturingOrdered"]

    def ship_kit(self, body: dict[str, Any]) -> list[str] | None:
        number = body["kit"]["number"]
        if self.ship == "shipped":
            return [] if number == self.kit else DEAD
        if self.ship != "ordered":
            return DEAD
        self.ship, self.kit = "shipped", number
        return ["ShipmentIssued"]

    # activation

    def act_shipped(self, contract: bool) -> list[str]:
        self.delivered = True
        held, self.wishes_held = self.wishes_held, []
        return ["DeliveryRegistered", *(self._try(wish, contract) for wish in held)]

    def act_wish(self, body: dict[str, Any], contract: bool) -> list[str]:
        if body["activation_id"] in self.tries:
            return []
        self.tries.add(body["activation_id"])
        if self.delivered:
            return [self._try(body, contract)]
        if len(self.wishes_held) == 5:
            return ["ActivationRefused"]
        self.wishes_held.append(body)
        return ["ActivationHeld"]

    def _try(self, wish: dict[str, Any], contract: bool) -> str:
        if wish["activated_by"] == "partner":
            may = wish["partner_id"] == PARTNER.id
        else:
            may = wish["code"] == CODE and self.wrong_codes < 10
            if self.wrong_codes < 10:
                self.wrong_codes = 0 if may else self.wrong_codes + 1
        if not may or self.active or not contract:
            return "ActivationRefused"
        self.active = True
        return "Activated"

    # renewal

    def renew_submitted(self, body: dict[str, Any]) -> list[str]:
        if body.get("renews") is None or self.names or self.renewals or self.lapsed:
            return []
        self.names = [body["renews"]]
        self.term = "another's"
        self.planned, self.taken_back = set(), set()
        return ["RenewalRequested", "RenewalActivated"] if self.own_days else ["RenewalRequested"]

    def renew_activated(self) -> list[str]:
        if self.own_days:
            return []
        self.own_days = True
        if self.term == "another's":
            return ["RenewalActivated"]
        self.term = "own"
        return ["ServiceStarted"]

    def renew_prolong(self, renewal: str) -> list[str]:
        if renewal in self.asked_by:
            return []
        self.asked_by.add(renewal)
        if self.term != "own":
            return ["RenewalRefused"]
        self.renewals.add(renewal)
        self.reminded, self.lapsed = set(), False
        return ["ServiceRenewed"]

    def renew_refused(self, itself: str, body: dict[str, Any]) -> list[str] | None:
        if not self.own_days:
            return DEAD
        if self.term == "own" or body["refused_by"] != self.names[-1]:
            return []
        if body["renews"] in (None, itself, *self.names):
            self.term = "own"
            return ["ServiceStarted"]
        self.names.append(body["renews"])
        return ["RenewalActivated"]

    def renew_plan(self, renewal: str, taken: set[str], known: bool) -> list[str] | None:
        """A renewal is planned, or taken back: each is recorded once. `taken`: of which it was so before; `known`: may
        it be so at all?"""
        if self.term == "none":
            return DEAD
        if self.term != "own" or renewal in taken or not known:
            return []
        taken.add(renewal)
        return ["RenewalScheduled" if taken is self.planned else "RenewalCancelled"]

    def renew_day(self, day: date, today: date) -> list[str] | None:
        if day > today or self.term == "none":
            return DEAD
        # All are activated on one day, each for a year.
        first, last = TODAY, date(TODAY.year + 1 + len(self.renewals), TODAY.month, 1) - timedelta(days=1)
        if self.term != "own" or self.lapsed:
            return []
        if day > last:
            self.lapsed = True
            return ["ServiceLapsed"]
        passed = {step for step in LADDER if first < last - timedelta(days=step) <= day}
        new = {step for step in passed if not any(step >= told for told in self.reminded)}
        self.reminded |= {min(new)} if new else set()
        return ["ReminderDue"] if new else []

    @property
    def shown(self) -> str:
        """What its partner should see."""
        for holds, word in (
            (self.active, "activated"),
            (self.ship == "shipped", "shipped"),
            (self.ship == "ordered", "manufacturing"),
            (self.withdrawn, "withdrawn"),
            (self.verdict == "Rejected", "rejected"),
            (self.declined, "declined"),
            (self.verdict == "Approved" and not (self.sent or {}).get("distributor_id"), "awaiting-payment"),
            (self.verdict == "Approved", "awaiting-confirmation"),
        ):
            if holds:
                return word
        return "submitted"


class Model:
    """All requests, and what each stage has seen of its topics."""

    def __init__(self) -> None:
        self.requests: dict[str, Plain] = defaultdict(Plain)
        self._highest: dict[tuple[str, str], int] = defaultdict(int)

    def expects(self, stage: str, record: Record, contract: bool, today: date) -> list[str] | None:
        """Types of the events that this record leads to in this stage; `DEAD`."""
        envelope = Envelope.read(record.headers)
        if envelope.position is not None:
            if envelope.position <= self._highest[stage, record.topic]:
                return []
            self._highest[stage, record.topic] = envelope.position
        body = json.loads(record.value or b"")
        name = envelope.type.partition(".")[0]
        of = self.requests[body.get("request_id") or envelope.subject]
        match stage, name:
            case "request", "SubmitRequest":
                return of.on_submit(body)
            case "request", "WithdrawRequest":
                return of.on_withdraw(body)
            case "approval", "RequestSubmitted":
                return of.on_submitted(body)
            case "billing", "Approved":
                return of.bill_approved(body)
            case "billing", "Rejected":
                return of.bill_rejected() if of.bill == "unseen" else []
            case "billing", "RequestWithdrawn":
                return of.bill_withdrawn(has_the_last_word=False)
            case "billing", "ShippingClosed":
                return of.bill_withdrawn(has_the_last_word=True) if body["reason"] == "withdrawn" else []
            case "billing", "DistributorConfirmation":
                return of.bill_answer(record.topic.split(".")[1], body)
            case "billing", "BankPayment":
                return self.requests[body["payment_id"].partition("/")[0]].bill_payment(body)
            case "shipping", "Approved":
                return of.ship_approved()
            case "shipping", "RequestWithdrawn":
                return of.ship_withdrawn()
            case "shipping", "InvoiceIssued":
                return of.ship_invoice()
            case "shipping", "DistributorConfirmed":
                return of.ship_basis(body["confirmation_id"])
            case "shipping", "DistributorDeclined":
                return of.ship_declined()
            case "shipping", "PaymentReceived":
                return of.ship_basis(body["payment_id"]) if body["due"] == "0.00" else []
            case "shipping", "KitManufactured":
                return of.ship_kit(body)
            case "activation", "ShipmentIssued":
                return of.act_shipped(contract)
            case "activation", "ActivateDelivery":
                return of.act_wish(body, contract)
            case "renewal", "RequestSubmitted":
                return of.renew_submitted(body)
            case "renewal", "Activated":
                return of.renew_activated()
            case "renewal", "ProlongService":
                return of.renew_prolong(body["renewal_id"])
            case "renewal", "RefuseRenewal":
                return of.renew_refused(body["request_id"], body)
            case "renewal", "ScheduleRenewal":
                return of.renew_plan(body["renewal_id"], of.planned, True)
            case "renewal", "CancelRenewal":
                return of.renew_plan(body["renewal_id"], of.taken_back, body["renewal_id"] in of.planned)
            case "renewal", "ConsiderService":
                return of.renew_day(date.fromisoformat(body["day"]), today)
            case _:
                return []  # of the contract, but not for this stage


class Procedure(RuleBasedStateMachine):
    """Hypothesis pulls these levers."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.registry = Registry()
        self.days = Days()
        self.carried: set[tuple[str, str, str]] = set()
        self.model = Model()
        stages: list[tuple[Stage, list[Input]]] = [
            (request.STAGE, request.inputs()),
            (replace(approval.STAGE, gather=Known), approval.inputs()),
            (billing.STAGE, [*billing_inputs(), Input(confirmations_of(OTHER), (DistributorConfirmation,))]),
            (shipping.STAGE, shipping.inputs()),
            (replace(activation.STAGE, gather=self.registry.gather), activation.inputs()),
            (replace(renewal.STAGE, gather=self.days.gather), renewal.inputs()),
        ]
        self.workers = {stage.name: Worker(stage, inputs, self.log) for stage, inputs in stages}
        self.count = 0

    # What people and outside systems do

    @rule(
        target=requests,
        distributor=ONE([DISTRIBUTOR.id, DISTRIBUTOR.id, None]),
        complete=ONE([True, True, True, False]),
        known=st.booleans(),
    )
    def submit(self, distributor: str | None, complete: bool, known: bool) -> Any:
        """One is sent; or none yet, and only its id is known to others (what comes for it comes early)."""
        self.count += 1
        request_id = UUID(int=0x0190F3A0_0000_7000_8000_000000000000 + self.count)
        self._submit(request_id, distributor, complete)
        return multiple(request_id) if known else multiple(request_id, UUID(int=request_id.int + 1_000_000))

    @rule(request_id=requests, distributor=ONE([DISTRIBUTOR.id, None]), complete=st.booleans())
    def submit_under_a_known_id(self, request_id: UUID, distributor: str | None, complete: bool) -> None:
        self._submit(request_id, distributor, complete)

    @rule(target=requests, old=requests, itself=ONE([False, False, False, True]))
    def renew(self, old: UUID, itself: bool) -> UUID:
        """A request that prolongs another one, sold or not, or itself a renewal; or names itself."""
        self.count += 1
        request_id = UUID(int=0x0190F3A0_0000_7000_8000_000000000000 + self.count)
        self._submit(request_id, DISTRIBUTOR.id, True, request_id if itself else old)
        return request_id

    @rule(request_id=requests, other=requests)
    def renew_each_other(self, request_id: UUID, other: UUID) -> None:
        """Under ids that were known to others before."""
        self._submit(request_id, DISTRIBUTOR.id, True, other)
        self._submit(other, DISTRIBUTOR.id, True, request_id)

    def _submit(self, request_id: UUID, distributor: str | None, complete: bool, renews: UUID | None = None) -> None:
        command = SubmitRequest(
            request_id=request_id,
            partner_id=PARTNER.id,
            submitted_by="ivanova",
            request_type=REQUEST_TYPE,
            contact_id="c-1",
            distributor_id=distributor,
            base_delivery_id="upp-13",
            registration_number="12345678" if complete else None,
            product_id=PRODUCT.id,
            inn="7707083893",
            kpp="773601001",
            buyer="АО «Завод»",
            renews=str(renews) if renews else None,
        )
        self.log.send(REQUEST_COMMANDS.name, str(request_id), command)

    @rule(request_id=requests, partner=ONE([PARTNER.id, PARTNER.id, "p-2"]))
    def withdraw(self, request_id: UUID, partner: str) -> None:
        command = WithdrawRequest(request_id=request_id, partner_id=partner, withdrawn_by="ivanova")
        self.log.send(REQUEST_COMMANDS.name, str(request_id), command)

    @rule(
        request_id=requests,
        distributor=ONE([DISTRIBUTOR.id, DISTRIBUTOR.id, OTHER]),
        accepted=ONE([True, True, False]),
        number=st.integers(1, 5),
    )
    def answer(self, request_id: UUID, distributor: str, accepted: bool, number: int) -> None:
        answer = DistributorConfirmation(request_id=request_id, confirmation_id=f"c-{number}", accepted=accepted)
        self.log.send(confirmations_of(distributor), str(request_id), answer)

    @rule(
        request_id=requests,
        part=ONE([1, 1, 2, 3]),
        inn=ONE([PARTNER.inn, PARTNER.inn, DISTRIBUTOR.inn]),
        number=st.integers(1, 4),
    )
    def pay(self, request_id: UUID, part: int, inn: str, number: int) -> None:
        """If its invoice is on the log: in full, a half, a third; from its payer or from somebody else."""
        self._pay(request_id, (PRICE / part).quantize(Decimal("0.01")), inn, number)

    def _pay(self, request_id: UUID, amount: Decimal, inn: str, number: int) -> None:
        for record in self.log.topics["billing.events"]:
            if record.key == str(request_id).encode() and b'"payer_id"' in (record.value or b""):
                invoice = json.loads(record.value or b"").get("number")
                if invoice is not None:
                    payment = BankPayment(
                        payment_id=f"{request_id}/{number}",
                        amount=amount,
                        received_on=TODAY,
                        payer_inn=inn,
                        purpose=f"Оплата по счету {invoice}",
                    )
                    self.log.send(BANK_PAYMENTS.name, payment.payment_id, payment)
                    return

    @rule(request_id=requests, number=ONE(["K-1", "K-1", "K-2"]))
    def make(self, request_id: UUID, number: str) -> None:
        """A kit comes, ordered or not."""
        kit = Kit(number=number, code=CODE, name=PRODUCT.name)
        self.log.send(MANUFACTURING_KITS.name, str(request_id), KitManufactured(request_id=request_id, kit=kit))

    @rule(request_id=requests, number=st.integers(1, 20), how=ONE(["partner", "user", "other-partner", "wrong-code"]))
    def activate(self, request_id: UUID, number: int, how: str) -> None:
        by_user = how in ("user", "wrong-code")
        command = ActivateDelivery(
            request_id=request_id,
            activation_id=f"a-{number}",
            activated_by=Activator.USER if by_user else Activator.PARTNER,
            actor="somebody",
            partner_id=None if by_user else PARTNER.id if how == "partner" else "p-2",
            code=None if not by_user else CODE if how == "user" else "XXXX",
        )
        self.log.send(ACTIVATION_COMMANDS.name, str(request_id), command)

    @rule(request_id=requests, steps=st.integers(1, 4), how=ONE(["partner", "user"]))
    def go_on(self, request_id: UUID, steps: int, how: str) -> None:
        """Whatever brings the request on, as in most of real life; chance alone would rarely get to the end."""
        plain = self.model.requests[str(request_id)]
        for _ in range(steps):
            self.settle()
            if plain.bill == "waiting":
                self.answer(request_id, DISTRIBUTOR.id, True, 9)
            elif plain.bill == "invoiced":
                self._pay(request_id, PRICE, PARTNER.inn, 9)
            elif plain.ship == "ordered":
                self.make(request_id, "K-1")
            elif plain.delivered:
                self.registry.contract = True
                self.activate(request_id, 30, how)

    @rule(request_id=requests, days=ONE([-200, -7, -1, 0, 0, 0, 1]))
    def consider(self, request_id: UUID, days: int) -> None:
        """The timer tells a day: today's, one that is over, or one that has not come."""
        asked = ConsiderService(request_id=request_id, day=self.days.today + timedelta(days=days), ladder=LADDER)
        self.log.send(SERVICE_COMMANDS.name, str(request_id), asked)

    @rule(request_id=requests, other=requests, taken_back=st.booleans())
    def plan(self, request_id: UUID, other: UUID, taken_back: bool) -> None:
        """The timer tells that a renewal is planned for later, or will not be sent."""
        named = {"request_id": request_id, "renewal_id": other}
        told = CancelRenewal(**named) if taken_back else ScheduleRenewal(**named, day=TODAY, planned_by="ivanova")
        self.log.send(SERVICE_COMMANDS.name, str(request_id), told)

    @rule(request_id=requests, days=ONE([1, 7, 30, 100, 310]))
    def days_pass(self, request_id: UUID, days: int) -> None:
        """And the timer tells the day to which they lead."""
        self.settle()
        self.days.today += timedelta(days=days)
        self.consider(request_id, 0)

    @rule(again=st.booleans())
    def carry(self, again: bool) -> None:
        """The timer carries what one service tells another; one that has lost its memory, all of it again."""
        told = ServiceRows()
        for record in self.log.topics["renewal.events"]:
            envelope = Envelope.read(record.headers)
            told.take(*read_fields(envelope.type, record.value), envelope.subject, "", None)
        for key, row in told.carried.items():
            if again or key not in self.carried:
                self.carried.add(key)
                command = decode(row["type"], json.dumps(row["body"]).encode())
                self.log.send(SERVICE_COMMANDS.name, row["request_id"], command)

    @rule(there=st.booleans())
    def contract(self, there: bool) -> None:
        """The user concludes a 1C:ITS contract, or it ends."""
        self.registry.contract = there

    @rule(data=st.data())
    def tell_again(self, data: st.DataObject) -> None:
        """Any command once more, by a sender that was not sure."""
        topics = [topic for topic in self.log.topics if topic not in OF_STAGES and self.log.topics[topic]]
        if topics:
            records = self.log.topics[data.draw(ONE(topics))]
            again = data.draw(ONE(records))
            records.append(again._replace(offset=len(records)))

    # What machines do

    @rule(
        stage=ONE(["request", "approval", "billing", "shipping", "activation", "renewal"]),
        topics=st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True),
        most=ONE([1, 2, 5, 50]),
    )
    def read(self, stage: str, topics: list[int], most: int) -> None:
        """Some of its topics, as one batch: what lies on the others waits."""
        worker = self.workers[stage]
        self._read(worker, [worker.inputs[each].topic for each in topics if each < len(worker.inputs)], most)

    def _read(self, worker: Worker, topics: list[str], most: int) -> None:
        stage = worker.stage.name
        batch: list[Record] = []
        for topic in topics:
            records = self.log.topics[topic]
            start = len(records) - worker.behind(topic)
            batch += records[start : start + most]
        worker.read(topics, most)
        made: dict[str, list[str]] = defaultdict(list)
        for event in worker.store.events:
            made[event.input or ""].append(event.type.partition(".")[0])
        dead = {letter.record.coordinates for letter in worker.store.dead_letters}
        for record in batch:
            expected = self.model.expects(stage, record, self.registry.contract, self.days.today)
            told = f"{stage} on {Envelope.read(record.headers).type} at {record.coordinates}"
            assert (record.coordinates in dead) == (expected is DEAD), told
            assert made[record.coordinates] == (expected or []), told

    @rule(stage=ONE(["request", "approval", "billing", "shipping", "activation", "renewal"]))
    def publish(self, stage: str) -> None:
        self.workers[stage].publish()

    @rule(stage=ONE(["request", "approval", "billing", "shipping", "activation", "renewal"]))
    def kill(self, stage: str) -> None:
        """What it had in memory is gone."""
        self.workers[stage].restart()

    @rule(stage=ONE(["request", "approval", "billing", "shipping", "activation"]), data=st.data())
    def write_late(self, stage: str, data: st.DataObject) -> None:
        """A relay that was replaced while it was paused writes what it had in hand."""
        records = self.log.topics[f"{stage}.events"]
        if records:
            records.append(data.draw(ONE(records))._replace(offset=len(records)))

    @rule()
    def settle_now(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Until everybody has published and read everything."""
        for worker in self.workers.values():
            worker.publish()
        while any(worker.behind(feed.topic) for worker in self.workers.values() for feed in worker.inputs):
            for worker in self.workers.values():
                self._read(worker, [feed.topic for feed in worker.inputs], 100)
                worker.publish()

    # What must always hold

    @invariant()
    def nothing_is_manufactured_without_its_basis(self) -> None:  # L17
        told = [(event, recorded.originator_id) for event, recorded in self._events("shipping")]
        for event, subject in told:
            if event.TYPE.startswith("ManufacturingOrdered."):
                bases = [
                    each
                    for each, recorded in self._events("billing")
                    if recorded.originator_id == subject and opens(each)
                ]
                assert bases, f"{subject} is manufactured, and nobody has confirmed or paid"

    def _events(self, stage: str) -> list[tuple[Any, Any]]:
        store = self.workers[stage].store
        return list(zip(self.workers[stage].told(), store.events, strict=True))

    def teardown(self) -> None:
        """At the end the cabinet shows where the model stands, and a number exists once. Whatever was activated is
        part of one service, and of one only."""
        before = -1
        while before < len(self.log.topics[SERVICE_COMMANDS.name]):
            before = len(self.log.topics[SERVICE_COMMANDS.name])
            self.settle()
            self.carry(again=False)
        served = [subject for subject, of in self.model.requests.items() if of.term == "own"]
        served += [renewal for of in self.model.requests.values() for renewal in of.renewals]
        assert sorted(served) == sorted(subject for subject, of in self.model.requests.items() if of.own_days)
        rows: dict[str, Row] = defaultdict(dict)
        for topic in STAGE_TOPICS:
            highest = 0
            for record in self.log.topics[topic.name]:
                envelope = Envelope.read(record.headers)
                assert envelope.position is not None
                if envelope.position <= highest:
                    continue
                highest = envelope.position
                type_name, fields = read_fields(envelope.type, record.value)
                if type_name not in UNSHOWN:
                    fold(rows[envelope.subject], topic.writer or "", type_name, fields, "2026-03-01", highest)
        for subject, row in rows.items():
            assert status(row) == self.model.requests[subject].shown, subject
        numbers = [each.number for each, _ in self._events("shipping") if each.TYPE.startswith("PermissionIssued.")]
        assert len(numbers) == len(set(numbers))


OF_STAGES = {topic.name for topic in STAGE_TOPICS}


def opens(event: Event) -> bool:
    """Is it a word of billing that opens the gate?"""
    name = event.TYPE.partition(".")[0]
    return name == "DistributorConfirmed" or (name == "PaymentReceived" and not event.due)  # type: ignore[attr-defined]


Procedure.TestCase.settings = settings(
    max_examples=80, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestProcedure = Procedure.TestCase
