"""The auditor's own state machine of the procedure (L14, L17): what must never be is named."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from events.commands import BankPayment, BankReturn, CreditOverpayment, DistributorConfirmation
from services.audit.findings import Findings
from services.audit.verification.procedure import Case, OutsideInputs, ProcedureEvent, check_case

REQUEST = UUID(int=7)
YES = ("distributors.north.confirmations", str(REQUEST), "c-1")


def case(*steps: tuple[str, dict[str, Any]]) -> Case:
    made = Case()
    for clock, (name, fields) in enumerate(steps, 1):
        told = ProcedureEvent(f"{name}.v1", fields, clock, f"stage/{clock}", "topic/0/0")
        made.events.setdefault(name, []).append(told)
    return made


SUBMITTED = ("RequestSubmitted", {})
APPROVED = ("Approved", {"distributor": {"id": "north"}})
DIRECT = ("Approved", {"distributor": None})
PERMISSION = ("PermissionIssued", {"number": "p"})
CONFIRMED = ("DistributorConfirmed", {"distributor_id": "north", "confirmation_id": "c-1"})
ORDERED = ("ManufacturingOrdered", {"basis": "confirmation", "basis_id": "c-1", "permission_number": "p"})
SHIPPED = ("ShipmentIssued", {})
INVOICE = ("InvoiceIssued", {"number": "n", "amount": "100.00"})
PAID_ORDER = ("ManufacturingOrdered", {"basis": "payment", "basis_id": "b-2", "permission_number": "p"})


def paid(payment: str, amount: str, invoice: str = "n") -> tuple[str, dict[str, Any]]:
    return ("PaymentReceived", {"payment_id": payment, "amount": amount, "invoice_number": invoice})


def check(made: Case, confirmed: set[tuple[str, str, str]] | None = None, payments: tuple[str, ...] = ()) -> list[str]:
    findings = Findings()
    check_case(REQUEST, made, OutsideInputs({YES} if confirmed is None else confirmed, set(payments)), findings)
    return [each.code for each in findings.problems]


def test_both_channels_as_they_should_be():
    assert check(case(SUBMITTED, APPROVED, PERMISSION, CONFIRMED, ORDERED, SHIPPED, ("Activated", {}))) == []
    parts = (paid("b-1", "40.00"), paid("b-2", "60.00"))
    assert check(case(SUBMITTED, DIRECT, PERMISSION, INVOICE, *parts, PAID_ORDER), payments=("b-1", "b-2")) == []


def test_a_part_that_was_matched_by_hand_counts_with_its_payment():
    parts = (paid("b-1#1", "40.00"), paid("b-2", "60.00"))
    assert check(case(SUBMITTED, DIRECT, PERMISSION, INVOICE, *parts, PAID_ORDER), payments=("b-1", "b-2")) == []


def test_money_that_was_credited_from_another_invoice_counts_if_operations_have_ordered_it():
    credit = CreditOverpayment(order_id="o", invoice_number="m", to_invoice="n", ordered_by="ops", note="письмо")
    part = paid(f"{credit.payment_id}#1", "100.00")
    order = ("ManufacturingOrdered", {**PAID_ORDER[1], "basis_id": f"{credit.payment_id}#1"})
    made = case(SUBMITTED, DIRECT, PERMISSION, INVOICE, part, order)
    assert check(made) == ["gate"]
    inputs, findings = OutsideInputs(), Findings()
    inputs.take("commands.payments", credit)
    check_case(REQUEST, made, inputs, findings)
    assert findings.problems == []


@pytest.mark.parametrize(("came", "found"), [("150.00", []), ("149.99", ["credited-too-much"])])
def test_no_more_leaves_an_invoice_for_another_one_than_came_above_it(came: str, found: list[str]):
    gone = [("OverpaymentCredited", {"amount": each}) for each in ("20.00", "30.00")]
    assert check(case(SUBMITTED, DIRECT, INVOICE, paid("b-1", came), *gone)) == found


@pytest.mark.parametrize(
    "steps",
    [
        (SUBMITTED, APPROVED, PERMISSION, ORDERED),
        (SUBMITTED, APPROVED, PERMISSION, ORDERED, CONFIRMED),
        (
            SUBMITTED,
            APPROVED,
            PERMISSION,
            ("DistributorConfirmed", {**CONFIRMED[1], "distributor_id": "south"}),
            ORDERED,
        ),
        (SUBMITTED, APPROVED, PERMISSION, ("DistributorConfirmed", {**CONFIRMED[1], "confirmation_id": "x"}), ORDERED),
        (SUBMITTED, APPROVED, PERMISSION, CONFIRMED, (ORDERED[0], {**ORDERED[1], "permission_number": "other"})),
        (SUBMITTED, APPROVED, PERMISSION, CONFIRMED, PAID_ORDER),
        (SUBMITTED, DIRECT, PERMISSION, INVOICE, paid("b-2", "99.99"), PAID_ORDER),
        (SUBMITTED, DIRECT, PERMISSION, INVOICE, PAID_ORDER, paid("b-2", "100.00")),
        (SUBMITTED, DIRECT, PERMISSION, INVOICE, paid("b-2", "100.00", "other"), PAID_ORDER),
        (SUBMITTED, DIRECT, PERMISSION, PAID_ORDER),
    ],
)
def test_the_gate_is_never_passed_otherwise(steps: tuple[tuple[str, dict[str, Any]], ...]):
    assert check(case(*steps), payments=("b-1", "b-2")) == ["gate"]


def test_what_nobody_said_outside_opens_no_gate():
    assert check(case(SUBMITTED, APPROVED, PERMISSION, CONFIRMED, ORDERED), confirmed=set()) == ["gate"]
    steps = (SUBMITTED, DIRECT, PERMISSION, INVOICE, paid("b-2", "100.00"), PAID_ORDER)
    assert check(case(*steps)) == ["gate"]


def test_steps_without_their_ground_twice_or_both_ways():
    assert check(case(SUBMITTED, SHIPPED)) == ["out-of-procedure"]
    assert check(case(APPROVED, SUBMITTED)) == ["out-of-procedure"]
    assert check(case(SUBMITTED, APPROVED, ("Rejected", {}))) == ["approved-and-rejected"]
    assert check(case(SUBMITTED, APPROVED, PERMISSION, PERMISSION)) == ["twice-in-procedure"]


def test_answers_and_payments_are_told_apart():
    inputs = OutsideInputs()
    no = DistributorConfirmation(request_id=REQUEST, confirmation_id="c", accepted=False)
    money, day = {"amount": Decimal("100.00"), "purpose": "Оплата"}, date(2026, 3, 16)
    paid_in = BankPayment.model_validate(money | {"payment_id": "b-1", "received_on": day, "payer_inn": "7707083893"})
    inputs.take("distributors.north.confirmations", no)
    inputs.take("bank.payments", paid_in)
    back = {"return_id": "r-1", "payment_id": "b-9", "paid_on": day, "payee_inn": "0"}
    inputs.take("bank.payments", BankReturn.model_validate(money | back))
    assert (inputs.confirmed, inputs.paid) == (set(), {"b-1"})
    inputs.take("distributors.north.confirmations", no.model_copy(update={"accepted": True, "confirmation_id": "c-1"}))
    assert inputs.confirmed == {YES}
