"""The procedure as the letter has it, checked on what happened: its own state machine, without a decider's code.

Told of every event of some requests in any order, it says at the end what must never be: a gate passed without its
confirmation or payment (L17), a permission number given twice (L14), a step without the one it stands on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from events.commands import BankPayment, CreditOverpayment, DistributorConfirmation
from events.model import Message
from events.topics import confirmations_of
from services.audit.findings import Findings

Fields = Mapping[str, Any]


@dataclass(slots=True)
class OutsideInputs:
    """The inputs from outside that may open the gate. `confirmed`: topic, request and number of every answer that
    was a yes; `paid`: ids of the payments that the bank reported, and of the overpayments that
    operations have ordered to be credited."""

    confirmed: set[tuple[str, str, str]] = field(default_factory=set)
    paid: set[str] = field(default_factory=set)

    def take(self, topic: str, message: Message) -> None:
        """Take one input, as billing reads it."""
        match message:
            case DistributorConfirmation(accepted=True):
                self.confirmed.add((topic, str(message.request_id), message.confirmation_id))
            case BankPayment():
                self.paid.add(message.payment_id)
            case CreditOverpayment():
                self.paid.add(_whole(message.payment_id))


@dataclass(slots=True)
class ProcedureEvent:
    """One event, with what matters of it here."""

    type: str
    fields: Fields
    clock: int
    place: str
    """`stage/position`"""
    input: str


@dataclass(slots=True)
class Case:
    """The case of one request: its events of the types in `MATTERS`."""

    events: dict[str, list[ProcedureEvent]] = field(default_factory=dict)

    def all(self, name: str) -> list[ProcedureEvent]:
        """All events of one type, in the order of their stage; empty if there is none."""
        return self.events.get(name, [])

    def first(self, name: str) -> ProcedureEvent | None:
        """The event of one type that is earliest by its clock; None if there is none."""
        found = self.events.get(name)
        return min(found, key=lambda event: event.clock) if found else None


MATTERS = frozenset(
    (
        "RequestSubmitted",
        "Approved",
        "Rejected",
        "InvoiceIssued",
        "DistributorConfirmed",
        "PaymentReceived",
        "OverpaymentCredited",
        "PermissionIssued",
        "ShippingOpened",
        "ManufacturingOrdered",
        "ShipmentIssued",
        "Activated",
        "ServiceStarted",
        "ReminderDue",
    )
)
STANDS_ON = {
    "Approved": "RequestSubmitted",
    "Rejected": "RequestSubmitted",
    "InvoiceIssued": "Approved",
    "DistributorConfirmed": "Approved",
    "PermissionIssued": "Approved",
    "ManufacturingOrdered": "PermissionIssued",
    "ShipmentIssued": "ManufacturingOrdered",
    "Activated": "ShipmentIssued",
    "ServiceStarted": "Activated",
    "ReminderDue": "ServiceStarted",
}
"""A step → the one that must have come before it, by the clock."""
ONCE = (
    "RequestSubmitted",
    "Approved",
    "Rejected",
    "InvoiceIssued",
    "DistributorConfirmed",
    "PermissionIssued",
    "ManufacturingOrdered",
    "ShipmentIssued",
    "Activated",
    "ServiceStarted",
)


def check_case(request: UUID, case: Case, inputs: OutsideInputs, findings: Findings) -> None:
    """Check one request by the procedure. `inputs`: confirmations and payments."""
    for name in ONCE:
        for event in case.all(name)[1:]:
            findings.problem("twice-in-procedure", event.place, f"{name} of {request} a second time")
    if case.first("Approved") and case.first("Rejected"):
        findings.problem("approved-and-rejected", str(request), "both Approved and Rejected")
    for name, before in STANDS_ON.items():
        step, ground = case.first(name), case.first(before)
        if step is not None and (ground is None or ground.clock >= step.clock):
            what = "without" if ground is None else "before its"
            findings.problem("out-of-procedure", step.place, f"{name} of {request} {what} {before}")
    reminded: set[tuple[str, int]] = set()
    for told in case.all("ReminderDue"):
        due = told.fields["service_until"], told.fields["days_before"]
        if due in reminded:
            findings.problem("reminded-twice", told.place, f"{request}, {due[1]} days before {due[0]}: a second time")
        reminded.add(due)
    _check_credits(request, case, findings)
    for order in case.all("ManufacturingOrdered"):
        _check_gate(request, case, order, inputs, findings)


def _check_credits(request: UUID, case: Case, findings: Findings) -> None:
    """What has left an invoice for another one had come above it."""
    credits, invoice = case.all("OverpaymentCredited"), case.first("InvoiceIssued")
    if not credits:
        return
    came, gone = (_sum(case.all("PaymentReceived")), _sum(credits))
    if invoice is None or came - gone < Decimal(invoice.fields["amount"]):
        what = f"{gone} of {came} that came for {request} was credited elsewhere: more than was above its invoice"
        findings.problem("credited-too-much", credits[-1].place, what)


def _sum(events: Iterable[ProcedureEvent]) -> Decimal:
    return sum((Decimal(event.fields["amount"]) for event in events), Decimal(0))


def _whole(payment_id: str) -> str:
    """The id of the payment that a part is of."""
    return payment_id.partition("#")[0]


def _check_gate(request: UUID, case: Case, order: ProcedureEvent, inputs: OutsideInputs, findings: Findings) -> None:
    """Check the gate (L17): confirmed by the distributor of this request, or paid in full by the partner."""
    approved = case.first("Approved")
    if approved is None:
        return  # a problem already
    permission = case.first("PermissionIssued")
    if permission is not None and order.fields["permission_number"] != permission.fields["number"]:
        findings.problem("gate", order.place, f"the order of {request} names another permission number")
    distributor = (approved.fields.get("distributor") or {}).get("id")
    basis, basis_id = order.fields["basis"], order.fields["basis_id"]
    if (distributor is None) != (basis == "payment"):
        findings.problem("gate", order.place, f"manufacturing of {request} was ordered on a {basis}: not its channel")
        return
    why = (
        _why_not_paid(case, order, basis_id, inputs)
        if distributor is None
        else _why_not_confirmed(request, case, order, distributor, basis_id, inputs)
    )
    if why is not None:
        findings.problem("gate", order.place, f"manufacturing of {request} was ordered, {why} (L17)")


def _why_not_confirmed(
    request: UUID, case: Case, order: ProcedureEvent, distributor: str, basis_id: str, inputs: OutsideInputs
) -> str | None:
    confirmed = next(
        (
            event
            for event in case.all("DistributorConfirmed")
            if event.fields["confirmation_id"] == basis_id and event.fields["distributor_id"] == distributor
        ),
        None,
    )
    if confirmed is None or confirmed.clock >= order.clock:
        return f"and {distributor} had not confirmed it under {basis_id!r}"
    topic = confirmations_of(distributor)
    if (topic, str(request), basis_id) not in inputs.confirmed:
        return f"and there is no such answer on {topic}"
    return None


def _why_not_paid(case: Case, order: ProcedureEvent, basis_id: str, inputs: OutsideInputs) -> str | None:
    invoice = case.first("InvoiceIssued")
    if invoice is None:
        return "and no invoice was issued"
    number = invoice.fields["number"]
    before = [
        event
        for event in case.all("PaymentReceived")
        if event.clock < order.clock and event.fields["invoice_number"] == number
    ]
    paid = _sum(before)
    if paid < Decimal(invoice.fields["amount"]) or basis_id not in {event.fields["payment_id"] for event in before}:
        return f"and invoice {number} was not paid: {paid} of {invoice.fields['amount']}"
    unknown = [event for event in before if _whole(event.fields["payment_id"]) not in inputs.paid]
    if unknown:
        return f"and there is no payment {unknown[0].fields['payment_id']!r} from the bank"
    return None
