"""Shipping: permission and documents, the gate, withdrawals, kits, signatures (L14-L18)."""

from __future__ import annotations

import ast
import base64
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from events.billing import DistributorConfirmed, DistributorDeclined, InvoiceIssued, PaymentReceived
from events.commands import DeclineDocument, KitManufactured, ReportDispatch, ReportRendering, SignDocument
from events.model import Channel, Delivery, Event, Reason
from events.reference import DeliveryByKind, Distributor
from events.request import PROCEDURE, RequestWithdrawn
from events.shipping import (
    Basis,
    BasisHeld,
    DocumentDeclined,
    DocumentDispatched,
    DocumentIssued,
    DocumentKind,
    DocumentRendered,
    DocumentSigned,
    InvoiceNoted,
    Kit,
    ManufacturingOrdered,
    PermissionIssued,
    ShipmentIssued,
    ShippingClosed,
    ShippingClosure,
    ShippingOpened,
    SignatureRefused,
    WithdrawalRefused,
)
from postavka.domain.document_forms import canonical, upd
from postavka.domain.document_forms.content import content_of, sha256
from postavka.domain.document_forms.forms import form_of, make
from postavka.kernel.testing.specification import Specification
from services.shipping import decider, documents
from services.shipping.decider import MAX_BASES, gate
from services.shipping.documents import MAX_DECLINES, MAX_SIGNATURES
from services.shipping.state import Confirmed, Facts, FullyPaid, Sale
from services.shipping.verification import Claimed, NotVerified, Unverifiable, Verified
from tests.services.histories import (
    CLIENT,
    DISTRIBUTOR,
    INVOICE,
    PARTNER,
    PERMISSION,
    PRICE,
    PRODUCT,
    TODAY,
    VENDOR,
    again,
    approved,
    facts_of,
    merged,
    run,
)

REQUEST = UUID("0190f3a0-0000-7000-8000-000000000001")
NOW = datetime(2026, 3, 1, 9, 30, 15, tzinfo=UTC)
FACTS = Facts(TODAY, PERMISSION, VENDOR, NOW)
LATER = date(2026, 3, 9)

given = Specification(decider).given


# What comes in

WITHDRAWN = RequestWithdrawn(withdrawn_by="ivanova")
CONFIRMED = DistributorConfirmed(distributor_id="d-1", confirmation_id="c-1")
DECLINED = DistributorDeclined(distributor_id="d-1", confirmation_id="c-1")
INVOICED = InvoiceIssued(
    number=INVOICE, issued_on=TODAY, amount=PRICE, vat_rate=PRODUCT.vat_rate, payer_id="p-1", payer_inn=PARTNER.inn
)
KIT = Kit(number="K-1", code="KX7Q-0M2P", name="1С:ИТС Отраслевой, 12 месяцев")
MADE = KitManufactured(request_id=REQUEST, kit=KIT)


def paid(due: str = "0.00", payment_id: str = "pay-1", invoice: str = INVOICE) -> PaymentReceived:
    return PaymentReceived(
        payment_id=payment_id,
        invoice_number=invoice,
        amount=PRICE,
        paid=PRICE - Decimal(due),
        due=Decimal(due),
        overpaid=Decimal(0),
        received_on=TODAY,
        payer_inn=PARTNER.inn,
    )


SIGNATURE = base64.b64encode(b"a signature in DER").decode()
SIGNATURE_SHA256 = sha256(b"a signature in DER")


COVERED = sha256(b"the bytes that it covers")


def sign(document_id: str, signature: str = SIGNATURE, title: str | None = None) -> SignDocument:
    return SignDocument(request_id=REQUEST, document_id=document_id, signature=signature, title=title, sent_by="edo")


def verified(inn: str, form: str = upd.FORM) -> Facts:
    """The verifier says: a good signature of this INN."""
    signer = Verified(inn, "01AB", "CN=Петров", datetime(2026, 3, 2, tzinfo=UTC))
    return replace(FACTS, verification=Claimed(signer, form, COVERED))


# What has happened


def opened(distributor: Distributor | None, delivery: Delivery = Delivery.POST) -> ShippingOpened:
    return ShippingOpened(
        procedure=PROCEDURE,
        channel=Channel.DISTRIBUTOR if distributor else Channel.DIRECT,
        permission_number=PERMISSION,
        vendor=VENDOR,
        partner=PARTNER.model_copy(update={"delivery": delivery}),
        distributor=distributor,
        base_delivery=approved().base_delivery,
        registration_number="12345678",
        product=PRODUCT,
        client=CLIENT,
    )


def document(of: ShippingOpened, kind: DocumentKind, number: str, delivery: Delivery) -> DocumentIssued:
    recipient = of.distributor or of.partner
    paper = content_of(of, kind, number, TODAY, NOW, (PRICE, PRODUCT.vat_rate))
    form = form_of(paper)
    return DocumentIssued(
        document_id=f"{kind.value}-{number}",
        kind=kind,
        number=number,
        issued_on=TODAY,
        issued_at=NOW if form == upd.FORM else None,
        recipient_id=recipient.id,
        signer_inn=recipient.inn,
        delivery=delivery,
        form=form,
        sha256=sha256(make(form, paper)),
    )


OPENED = opened(DISTRIBUTOR)
ACT = document(OPENED, DocumentKind.ACT, PERMISSION, Delivery.EDO)
SALE = (OPENED, PermissionIssued(number=PERMISSION, partner_id="p-1", distributor_id="d-1"), ACT)
"""Through a distributor, the gate is shut."""

DIRECT_OPENED = opened(None)
TO_SIGN = document(DIRECT_OPENED, DocumentKind.SHIPPING, PERMISSION, Delivery.POST)
BILL = document(DIRECT_OPENED, DocumentKind.INVOICE, INVOICE, Delivery.POST)
NOTED = InvoiceNoted(number=INVOICE, issued_on=TODAY, amount=PRICE, vat_rate=PRODUCT.vat_rate)
DIRECT = (DIRECT_OPENED, PermissionIssued(number=PERMISSION, partner_id="p-1", distributor_id=None), TO_SIGN)
"""A direct sale before its invoice."""


def ordered(basis: Basis, basis_id: str) -> ManufacturingOrdered:
    return ManufacturingOrdered(
        basis=basis,
        basis_id=basis_id,
        permission_number=PERMISSION,
        product=PRODUCT,
        client=CLIENT,
        registration_number="12345678",
    )


ON_CONFIRMATION = ordered(Basis.CONFIRMATION, "c-1")
ON_PAYMENT = ordered(Basis.PAYMENT, "pay-1")
HELD_CONFIRMATION = BasisHeld(basis=Basis.CONFIRMATION, basis_id="c-1", given_by="d-1")
HELD_PAYMENT = BasisHeld(basis=Basis.PAYMENT, basis_id="pay-1", given_by=INVOICE)
SHIPPED = ShipmentIssued(
    channel=Channel.DISTRIBUTOR,
    partner_id="p-1",
    distributor_id="d-1",
    kit=KIT,
    product=PRODUCT,
    client=CLIENT,
    registration_number="12345678",
    shipped_on=TODAY,
)
CLOSED = ShippingClosed(reason=ShippingClosure.WITHDRAWN)
CLOSED_BY_DISTRIBUTOR = ShippingClosed(reason=ShippingClosure.DECLINED)
TOO_LATE = WithdrawalRefused(
    reason=Reason(code="already-ordered", message="Отозвать заявку уже нельзя: заказ передан на изготовление.")
)


# Permission and documents (L14, L15)


def test_a_sale_through_a_distributor_gets_a_permission_and_an_act_by_edo():
    given().when(approved(), FACTS).then(*SALE)


def test_a_direct_sale_gets_a_permission_and_shipping_documents():
    given().when(approved(distributor=None), FACTS).then(*DIRECT)


def test_the_invoice_follows_as_a_document():
    given(*DIRECT).when(INVOICED, FACTS).then(NOTED, BILL)
    given(*DIRECT, NOTED, BILL).when(INVOICED, FACTS).then_nothing()


def test_an_invoice_seen_before_the_approval_is_noted_and_issued_with_it():
    given().when(INVOICED, FACTS).then(NOTED)
    given(NOTED).when(INVOICED, FACTS).then_nothing()
    given(NOTED).when(approved(distributor=None), FACTS).then(*DIRECT, BILL)


def test_the_document_of_an_invoice_bears_the_invoices_day_and_sum():
    other = INVOICED.model_copy(update={"issued_on": LATER, "amount": Decimal("900.00")})
    _, document = decider.decide(decider.evolve(decider.INITIAL, DIRECT_OPENED), other, FACTS)
    assert isinstance(document, DocumentIssued)
    assert document.issued_on == LATER
    assert document.sha256 != BILL.sha256


@pytest.mark.parametrize("delivery", Delivery)
def test_a_partners_documents_travel_as_agreed_with_it(delivery: Delivery):
    partner = PARTNER.model_copy(update={"delivery": delivery})
    facts = opened(None, delivery)
    given(NOTED).when(approved(distributor=None, partner=partner), FACTS).then(
        facts,
        DIRECT[1],
        document(facts, DocumentKind.SHIPPING, PERMISSION, delivery),
        document(facts, DocumentKind.INVOICE, INVOICE, delivery),
    )


def test_a_distributors_act_travels_by_edo_whatever_the_partner_agreed():
    facts = opened(DISTRIBUTOR, Delivery.EDO)
    partner = PARTNER.model_copy(update={"delivery": Delivery.EDO})
    given().when(approved(partner=partner), FACTS).then(
        facts, SALE[1], document(facts, DocumentKind.ACT, PERMISSION, Delivery.EDO)
    )


@pytest.mark.parametrize(
    "before", [SALE, DIRECT, (*SALE, ON_CONFIRMATION), (*SALE, ON_CONFIRMATION, SHIPPED), (CLOSED,), (*SALE, CLOSED)]
)
def test_an_approval_seen_twice_or_too_late_changes_nothing(before: tuple[Event, ...]):
    given(*before).when(approved(), FACTS).then_nothing()


def test_a_channel_that_does_not_fit_is_unacceptable():
    wrong = approved().model_copy(update={"channel": Channel.DIRECT})
    given().when(wrong, FACTS).then_unacceptable("channel-mismatch")


def test_invoices_that_make_no_sense_are_unacceptable():
    other = INVOICED.model_copy(update={"number": "2026-0000002"})
    given(*SALE).when(INVOICED, FACTS).then_unacceptable("not-direct")
    given(*DIRECT, NOTED, BILL).when(other, FACTS).then_unacceptable("other-invoice")
    given(NOTED).when(other, FACTS).then_unacceptable("other-invoice")


def test_no_invoice_goes_out_for_a_closed_request():
    given(CLOSED).when(INVOICED, FACTS).then_nothing()
    given(*DIRECT, CLOSED).when(INVOICED, FACTS).then_nothing()


# The gate (L17)


def test_a_confirmation_opens_the_gate():
    given(*SALE).when(CONFIRMED, FACTS).then(ON_CONFIRMATION)


def test_full_payment_opens_the_gate():
    given(*DIRECT, NOTED, BILL).when(paid(), FACTS).then(ON_PAYMENT)


def test_part_of_the_sum_opens_nothing():
    given(*DIRECT, NOTED, BILL).when(paid(due="0.01"), FACTS).then_nothing()
    given().when(paid(due="0.01"), FACTS).then_nothing()


@pytest.mark.parametrize(
    ("before", "word"),
    [
        (SALE, CONFIRMED.model_copy(update={"distributor_id": "d-2"})),
        (SALE, paid()),
        ((*DIRECT, NOTED, BILL), CONFIRMED),
        ((*DIRECT, NOTED, BILL), paid(invoice="2026-0000002")),
        (DIRECT, paid()),
    ],
)
def test_nothing_else_opens_it(before: tuple[Event, ...], word: Event):
    given(*before).when(word, FACTS).then_unacceptable("gate-shut")


def test_the_signature_is_no_gate():
    """An obligation only (L16): nothing follows from it, and nothing waits for it."""
    given(*SALE).when(sign(ACT.document_id), verified(DISTRIBUTOR.inn)).then(signed(ACT))


@pytest.mark.parametrize(
    "before",
    [(*SALE, ON_CONFIRMATION), (*SALE, ON_CONFIRMATION, SHIPPED), (*SALE, CLOSED), (CLOSED,)],
)
def test_the_gate_opens_once_and_never_after_closing(before: tuple[Event, ...]):
    given(*before).when(CONFIRMED, FACTS).then_nothing()
    given(*before).when(paid(), FACTS).then_nothing()


def test_billings_word_before_the_approval_is_held():
    given().when(CONFIRMED, FACTS).then(HELD_CONFIRMATION)
    given(HELD_CONFIRMATION).when(CONFIRMED, FACTS).then_nothing()
    given().when(paid(), FACTS).then(HELD_PAYMENT)
    given(HELD_PAYMENT).when(paid(), FACTS).then_nothing()


def test_what_was_held_takes_effect_with_the_approval():
    given(HELD_CONFIRMATION).when(approved(), FACTS).then(*SALE, ON_CONFIRMATION)
    given(NOTED, HELD_PAYMENT).when(approved(distributor=None), FACTS).then(*DIRECT, BILL, ON_PAYMENT)


def test_what_was_held_and_does_not_fit_opens_nothing():
    stranger = HELD_CONFIRMATION.model_copy(update={"given_by": "d-2"})
    given(stranger).when(approved(), FACTS).then(*SALE)
    given(stranger, HELD_CONFIRMATION).when(approved(), FACTS).then(*SALE, ON_CONFIRMATION)
    given(HELD_PAYMENT).when(approved(), FACTS).then(*SALE)
    given(HELD_CONFIRMATION).when(approved(distributor=None), FACTS).then(*DIRECT)


def test_so_many_words_are_held_and_no_more():
    full = [HELD_CONFIRMATION.model_copy(update={"given_by": f"x-{n}"}) for n in range(MAX_BASES)]
    given(*full).when(CONFIRMED, FACTS).then_unacceptable("too-many-bases")


def test_the_gate_is_one_function():
    """No other place of the services makes the order."""
    makers = []
    for path in Path(decider.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
                if any(getattr(call.func, "id", "") == "ManufacturingOrdered" for call in calls):
                    makers.append((path.parent.name, path.name, node.name))
    assert makers == [("shipping", "decider.py", "gate")]


def test_who_passes_the_gate():
    through, direct = Sale(OPENED), Sale(DIRECT_OPENED, invoice=decider._invoice(NOTED))
    assert gate(through, Confirmed("d-1", "c-1")) == ON_CONFIRMATION
    assert gate(direct, FullyPaid(INVOICE, "pay-1")) == ON_PAYMENT
    assert gate(through, Confirmed("d-2", "c-1")) is None
    assert gate(through, FullyPaid(INVOICE, "pay-1")) is None
    assert gate(direct, Confirmed("d-1", "c-1")) is None
    assert gate(direct, FullyPaid("2026-0000002", "pay-1")) is None
    assert gate(replace(direct, invoice=None), FullyPaid(INVOICE, "pay-1")) is None


# Withdrawals and refusals


@pytest.mark.parametrize("before", [(), SALE, DIRECT, (HELD_CONFIRMATION,), (NOTED,)])
def test_a_withdrawal_before_the_order_closes(before: tuple[Event, ...]):
    given(*before).when(WITHDRAWN, FACTS).then(CLOSED)
    given(*before, CLOSED).when(WITHDRAWN, FACTS).then_nothing()


@pytest.mark.parametrize("before", [(*SALE, ON_CONFIRMATION), (*SALE, ON_CONFIRMATION, SHIPPED)])
def test_a_withdrawal_after_the_order_is_refused_once(before: tuple[Event, ...]):
    given(*before).when(WITHDRAWN, FACTS).then(TOO_LATE)
    given(*before, TOO_LATE).when(WITHDRAWN, FACTS).then_nothing()


def test_it_stays_refused_after_the_shipment():
    given(*SALE, ON_CONFIRMATION, TOO_LATE, SHIPPED).when(WITHDRAWN, FACTS).then_nothing()


@pytest.mark.parametrize("before", [(), SALE])
def test_a_distributor_that_declines_ends_the_request(before: tuple[Event, ...]):
    given(*before).when(DECLINED, FACTS).then(CLOSED_BY_DISTRIBUTOR)
    given(*before, CLOSED_BY_DISTRIBUTOR).when(DECLINED, FACTS).then_nothing()


def test_a_refusal_that_makes_no_sense_is_unacceptable():
    given(*DIRECT).when(DECLINED, FACTS).then_unacceptable("other-distributor")
    given(*SALE).when(DECLINED.model_copy(update={"distributor_id": "d-2"}), FACTS).then_unacceptable(
        "other-distributor"
    )
    given(*SALE, ON_CONFIRMATION).when(DECLINED, FACTS).then_unacceptable("declined-after-order")


# The kit (L18)


def test_the_kit_makes_the_shipment_once():
    given(*SALE, ON_CONFIRMATION).when(MADE, FACTS).then(SHIPPED)
    given(*SALE, ON_CONFIRMATION, SHIPPED).when(MADE, replace(FACTS, today=LATER)).then_nothing()


def test_a_second_kit_is_unacceptable():
    other = MADE.model_copy(update={"kit": KIT.model_copy(update={"number": "K-2"})})
    given(*SALE, ON_CONFIRMATION, SHIPPED).when(other, FACTS).then_unacceptable("other-kit")


@pytest.mark.parametrize("before", [(), SALE, (HELD_CONFIRMATION,), (*SALE, CLOSED), (CLOSED,)])
def test_a_kit_nobody_ordered_is_unacceptable(before: tuple[Event, ...]):
    given(*before).when(MADE, FACTS).then_unacceptable("not-ordered")


def test_a_direct_shipment_names_no_distributor():
    given(*DIRECT, NOTED, BILL, ON_PAYMENT).when(MADE, FACTS).then(
        SHIPPED.model_copy(update={"channel": Channel.DIRECT, "distributor_id": None})
    )


# Signatures (L16)


def signed(of: DocumentIssued) -> DocumentSigned:
    return DocumentSigned(
        document_id=of.document_id,
        signer_inn=of.signer_inn,
        certificate_serial="01AB",
        certificate_subject="CN=Петров",
        signed_at=datetime(2026, 3, 2, tzinfo=UTC),
        signature_sha256=SIGNATURE_SHA256,
        form=upd.FORM,
        covers_sha256=COVERED,
    )


def not_signed(of: DocumentIssued, code: str, message: str, sha: str = SIGNATURE_SHA256) -> SignatureRefused:
    return SignatureRefused(document_id=of.document_id, reason=Reason(code=code, message=message), signature_sha256=sha)


WRONG_BYTES = Reason(code="wrong-bytes", message="Подпись не от этого документа.")
NOT_GOOD = replace(FACTS, verification=NotVerified(WRONG_BYTES))


@pytest.mark.parametrize(
    ("before", "of"),
    [
        (SALE, ACT),
        (DIRECT, TO_SIGN),
        ((*DIRECT, NOTED, BILL), BILL),
        ((*SALE, ON_CONFIRMATION), ACT),
        ((*SALE, ON_CONFIRMATION, SHIPPED), ACT),
    ],
)
def test_the_counterparty_signs(before: tuple[Event, ...], of: DocumentIssued):
    given(*before).when(sign(of.document_id), verified(of.signer_inn)).then(signed(of))
    given(*before, signed(of)).when(sign(of.document_id), verified(of.signer_inn)).then_nothing()


def test_line_breaks_in_base64_make_no_other_signature():
    wrapped = f"{SIGNATURE[:8]}\r\n{SIGNATURE[8:]}\n"
    given(*SALE).when(sign(ACT.document_id, wrapped), verified(DISTRIBUTOR.inn)).then(signed(ACT))


def test_what_the_verifier_refuses_is_refused():
    refusal = not_signed(ACT, "wrong-bytes", "Подпись не от этого документа.")
    given(*SALE).when(sign(ACT.document_id), NOT_GOOD).then(refusal)
    given(*SALE, refusal).when(sign(ACT.document_id), NOT_GOOD).then_nothing()


def test_a_refused_signature_is_taken_once_it_verifies():
    refusal = not_signed(ACT, "untrusted", "…")
    given(*SALE, refusal).when(sign(ACT.document_id), verified(DISTRIBUTOR.inn)).then(signed(ACT))


def test_an_employee_signs_by_power_of_attorney():
    employee = "500100732259"
    signature = sign(ACT.document_id)
    by_power = signed(ACT).model_copy(update={"signer_inn": employee, "power_of_attorney": "mchd-1"})
    allowed = replace(verified(employee), power_of_attorney="mchd-1")
    refusal = given(*SALE).when(signature, verified(employee)).decision
    assert [each.TYPE for each in refusal] == ["SignatureRefused.v1"]
    assert refusal[0].reason.code == "other-signer"
    assert "(МЧД)" in refusal[0].reason.message
    given(*SALE).when(signature, allowed).then(by_power)
    given(*SALE, *refusal).when(signature, allowed).then(by_power)


def test_somebody_elses_signature_is_refused():
    message = f"Документ подписан ИНН 7707083893, а должен быть подписан ИНН {DISTRIBUTOR.inn}."
    given(*SALE).when(sign(ACT.document_id), verified("7707083893")).then(not_signed(ACT, "other-signer", message))


@pytest.mark.parametrize("text", ["", "   ", "not base64!", "Подпись", "YWJ"])
def test_what_is_not_base64_is_refused(text: str):
    refusal = not_signed(ACT, "not-base64", "Подпись не удалось прочитать: это не Base64.", sha256(text.encode()))
    given(*SALE).when(sign(ACT.document_id, text), FACTS).then(refusal)
    given(*SALE, refusal).when(sign(ACT.document_id, text), FACTS).then_nothing()


def test_a_second_signature_is_refused():
    other = base64.b64encode(b"another").decode()
    refusal = not_signed(ACT, "already-signed", "Документ уже подписан.", sha256(b"another"))
    given(*SALE, signed(ACT)).when(sign(ACT.document_id, other), FACTS).then(refusal)
    given(*SALE, signed(ACT), refusal).when(sign(ACT.document_id, other), FACTS).then_nothing()


def test_a_document_of_a_closed_request_is_void():
    message = "Заявка закрыта, документ недействителен: подписывать его не нужно."
    refusal = not_signed(ACT, "closed", message)
    given(*SALE, CLOSED).when(sign(ACT.document_id), verified(DISTRIBUTOR.inn)).then(refusal)
    given(*SALE, CLOSED, refusal).when(sign(ACT.document_id), FACTS).then_nothing()


@pytest.mark.parametrize("before", [(), (CLOSED,), DIRECT, (*SALE, CLOSED)])
def test_another_requests_document_is_unacceptable(before: tuple[Event, ...]):
    given(*before).when(sign("act-of-another"), FACTS).then_unacceptable("unknown-document")
    given(*before).when(dispatched("act-of-another"), FACTS).then_unacceptable("unknown-document")


@pytest.mark.parametrize("verification", [None, Unverifiable("no engine gost")])
def test_what_could_not_be_verified_waits_in_the_dead_letters(verification: Unverifiable | None):
    facts = replace(FACTS, verification=verification)
    given(*SALE).when(sign(ACT.document_id), facts).then_unacceptable("not-verified")


def test_refusals_are_bounded_but_a_good_signature_is_always_taken():
    noise = [not_signed(ACT, "wrong-bytes", "…", sha256(str(n).encode())) for n in range(MAX_SIGNATURES)]
    given(*SALE, *noise).when(sign(ACT.document_id), NOT_GOOD).then_unacceptable("too-many-signatures")
    given(*SALE, *noise).when(sign(ACT.document_id), verified(DISTRIBUTOR.inn)).then(signed(ACT))


def state_after(*events: Event) -> decider.State:
    state = decider.INITIAL
    for event in events:
        state = decider.evolve(state, event)
    return state


@pytest.mark.parametrize(("before", "of"), [(SALE, ACT), (DIRECT, TO_SIGN), ((*DIRECT, NOTED, BILL), BILL)])
def test_the_verifier_is_given_the_exact_bytes_issued(before: tuple[Event, ...], of: DocumentIssued):
    asked = documents.to_verify(state_after(*before), sign(of.document_id))
    assert asked is not None
    assert (asked.form, sha256(asked.issued)) == (of.form, of.sha256)
    assert asked.signature == b"a signature in DER"
    assert asked.rendered is None
    assert (asked.file_id is not None) == (of.form == upd.FORM)


def test_the_verifier_is_told_of_the_rendering_and_of_the_title():
    title = base64.b64encode(b"<title/>").decode()
    asked = documents.to_verify(state_after(*SALE, RENDERED), sign(ACT.document_id, title=title))
    assert asked is not None
    assert (asked.rendered, asked.title) == (("pdf/1", "a" * 64), b"<title/>")
    assert asked.file_id is not None
    assert asked.file_id.encode("cp1251") in asked.issued


def test_a_title_that_is_no_base64_is_refused():
    message = sign(ACT.document_id, title="Титул")
    assert documents.to_verify(state_after(*SALE), message) is None
    refusal = not_signed(ACT, "not-base64", "Подпись не удалось прочитать: это не Base64.")
    given(*SALE).when(message, FACTS).then(refusal)


def test_a_signature_counts_once():
    """The same signature under another request (the store knows), or another document of this one."""
    refusal = not_signed(ACT, "reused", "Эта подпись уже принята под другим документом.")
    elsewhere = replace(verified(DISTRIBUTOR.inn), signature_taken=True)
    given(*SALE).when(sign(ACT.document_id), elsewhere).then(refusal)
    again_here = refusal.model_copy(update={"document_id": TO_SIGN.document_id})
    given(*DIRECT, NOTED, BILL, signed(BILL)).when(sign(TO_SIGN.document_id), verified(PARTNER.inn)).then(again_here)


# Forms, channels, renderings, refusals to sign (L14-L16)


def test_a_vendor_that_has_not_named_who_signs_issues_the_first_form():
    """And so are documents of before, whose sales say nothing of a signatory."""
    facts = replace(FACTS, vendor=VENDOR.model_copy(update={"signatory": None}))
    happened, _ = run(decider, [approved()], facts)
    (act,) = (event for event in happened if isinstance(event, DocumentIssued))
    assert (act.form, act.issued_at) == (canonical.FORM, None)
    assert documents.to_verify(state_after(*happened), sign(act.document_id)) is not None


@pytest.mark.parametrize(
    ("agreed", "by_kind", "shipping", "invoice"),
    [
        (Delivery.POST, {}, Delivery.POST, Delivery.POST),
        (Delivery.EDO, {}, Delivery.EDO, Delivery.EDO),
        (Delivery.EDO, {"invoice": Delivery.POST}, Delivery.EDO, Delivery.POST),
        (Delivery.POST, {"shipping": Delivery.EDO}, Delivery.EDO, Delivery.POST),
    ],
)
def test_an_agreement_can_differ_by_kind_of_document(agreed, by_kind, shipping, invoice):
    approval = approved(distributor=None)
    partner = approval.partner.model_copy(
        update={"delivery": agreed, "delivery_by_kind": DeliveryByKind.model_validate(by_kind)}
    )
    happened, _ = run(decider, [approval.model_copy(update={"partner": partner}), INVOICED], FACTS)
    found = {event.kind: event.delivery for event in happened if isinstance(event, DocumentIssued)}
    assert found == {DocumentKind.SHIPPING: shipping, DocumentKind.INVOICE: invoice}


def test_a_distributors_act_is_electronic_whatever_the_partner_has_agreed():
    approval = approved()
    partner = approval.partner.model_copy(update={"delivery_by_kind": DeliveryByKind(act=Delivery.POST)})
    happened, _ = run(decider, [approval.model_copy(update={"partner": partner})], FACTS)
    assert [event.delivery for event in happened if isinstance(event, DocumentIssued)] == [Delivery.EDO]


RENDERED = DocumentRendered(document_id=ACT.document_id, form="pdf/1", sha256="a" * 64)


def rendering(sha: str = "a" * 64) -> ReportRendering:
    return ReportRendering(request_id=REQUEST, document_id=ACT.document_id, form="pdf/1", sha256=sha)


def test_a_document_has_one_rendering():
    given(*SALE).when(rendering(), FACTS).then(RENDERED)
    given(*SALE, RENDERED).when(rendering(), FACTS).then_nothing()
    given(*SALE, RENDERED).when(rendering("b" * 64), FACTS).then_unacceptable("other-rendering")
    given(*SALE).when(rendering("../etc/passwd"), FACTS).then_unacceptable("not-a-sha256")
    given(*DIRECT).when(rendering(), FACTS).then_unacceptable("unknown-document")


def decline(decline_id: str = "no-1") -> DeclineDocument:
    return DeclineDocument(
        request_id=REQUEST, document_id=ACT.document_id, decline_id=decline_id, reason="Неверный КПП", sent_by="d-1"
    )


def declined(decline_id: str = "no-1") -> DocumentDeclined:
    return DocumentDeclined(
        document_id=ACT.document_id, decline_id=decline_id, reason="Неверный КПП", declined_by="d-1"
    )


def test_the_counterparty_declines_and_may_sign_later():
    given(*SALE).when(decline(), FACTS).then(declined())
    given(*SALE, declined()).when(decline(), FACTS).then_nothing()
    given(*SALE, declined()).when(sign(ACT.document_id), verified(DISTRIBUTOR.inn)).then(signed(ACT))
    given(*SALE, signed(ACT)).when(decline(), FACTS).then_unacceptable("already-signed")
    given(*SALE, CLOSED).when(decline(), FACTS).then_nothing()
    given(*DIRECT).when(decline(), FACTS).then_unacceptable("unknown-document")
    many = [declined(f"no-{n}") for n in range(MAX_DECLINES)]
    given(*SALE, *many).when(decline("more"), FACTS).then_unacceptable("too-many-declines")


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ((), sign(ACT.document_id)),
        (SALE, sign("act-of-another")),
        (SALE, sign(ACT.document_id, "not base64!")),
        ((*SALE, CLOSED), sign(ACT.document_id)),
        ((*SALE, signed(ACT)), sign(ACT.document_id)),
        ((*SALE[:2], ACT.model_copy(update={"sha256": "0" * 64})), sign(ACT.document_id)),
    ],
)
def test_the_verifier_is_not_asked_in_vain(before: tuple[Event, ...], message: SignDocument):
    assert documents.to_verify(state_after(*before), message) is None


# Dispatch (L15)


def dispatched(document_id: str, delivery: Delivery = Delivery.EDO, dispatch_id: str = "edo-1") -> ReportDispatch:
    return ReportDispatch(request_id=REQUEST, document_id=document_id, delivery=delivery, dispatch_id=dispatch_id)


LEFT = DocumentDispatched(document_id=ACT.document_id, delivery=Delivery.EDO, dispatch_id="edo-1")


@pytest.mark.parametrize("before", [SALE, (*SALE, ON_CONFIRMATION), (*SALE, signed(ACT)), (*SALE, CLOSED)])
def test_a_document_has_left_once(before: tuple[Event, ...]):
    given(*before).when(dispatched(ACT.document_id), FACTS).then(LEFT)
    given(*before, LEFT).when(dispatched(ACT.document_id), FACTS).then_nothing()
    given(*before, LEFT).when(dispatched(ACT.document_id, dispatch_id="edo-2"), FACTS).then_unacceptable(
        "already-dispatched"
    )


def test_paper_has_a_tracking_number():
    report = dispatched(TO_SIGN.document_id, Delivery.POST, "post-1").model_copy(update={"tracking": "10100082848017"})
    given(*DIRECT).when(report, FACTS).then(
        DocumentDispatched(
            document_id=TO_SIGN.document_id, delivery=Delivery.POST, dispatch_id="post-1", tracking="10100082848017"
        )
    )


def test_a_document_leaves_on_the_way_it_was_issued_for():
    given(*SALE).when(dispatched(ACT.document_id, Delivery.POST), FACTS).then_unacceptable("other-delivery")


@pytest.mark.parametrize("event", [ON_CONFIRMATION, SHIPPED, TOO_LATE, LEFT])
def test_an_event_that_can_not_follow_is_a_defect(event: Event):
    with pytest.raises(ValueError, match=event.TYPE):
        decider.evolve(decider.INITIAL, event)


# Whatever the order

BILLING_OF_A_SALE = [CONFIRMED]
BILLING_OF_A_DIRECT_SALE = [INVOICED, paid("600.00", "pay-0"), paid(), paid(payment_id="pay-2")]
BOOKKEEPING = (BasisHeld,)


@for_all(st.data(), st.sampled_from([(DISTRIBUTOR, BILLING_OF_A_SALE), (None, BILLING_OF_A_DIRECT_SALE)]))
def test_the_order_of_topics_does_not_matter(data, sale):
    distributor, billing = sale
    approval = approved(distributor=distributor)
    in_order, _ = run(decider, [approval, *billing, MADE], FACTS)
    as_it_came, not_taken = run(decider, [*data.draw(merged([[approval], billing])), MADE], FACTS)
    assert facts_of(as_it_came, *BOOKKEEPING) == facts_of(in_order, *BOOKKEEPING)
    assert isinstance(as_it_came[-1], ShipmentIssued)
    assert not not_taken


@for_all(st.data(), st.sampled_from([(DISTRIBUTOR, BILLING_OF_A_SALE), (None, BILLING_OF_A_DIRECT_SALE)]))
def test_a_withdrawal_closes_or_is_refused_and_never_both(data, sale):
    distributor, billing = sale
    history = data.draw(merged([[approved(distributor=distributor)], billing, [WITHDRAWN]]))
    happened, not_taken = run(decider, history, FACTS)
    kinds = [type(event) for event in happened]
    assert kinds.count(ShippingClosed) + kinds.count(ManufacturingOrdered) == 1
    assert kinds.count(ManufacturingOrdered) == kinds.count(WithdrawalRefused)
    assert not not_taken


ANYTHING = st.lists(
    st.one_of(
        st.sampled_from([approved(), approved(distributor=None)]),
        st.sampled_from([WITHDRAWN, DECLINED, INVOICED, INVOICED.model_copy(update={"number": "2026-0000002"}), MADE]),
        st.builds(
            DistributorConfirmed,
            distributor_id=st.sampled_from(["d-1", "d-2"]),
            confirmation_id=st.sampled_from(["c-1", "c-2"]),
        ),
        st.builds(
            paid,
            due=st.sampled_from(["0.00", "0.01", "600.00"]),
            payment_id=st.sampled_from(["pay-1", "pay-2"]),
            invoice=st.sampled_from([INVOICE, "2026-0000002"]),
        ),
        st.sampled_from([sign(ACT.document_id), sign(TO_SIGN.document_id), dispatched(ACT.document_id)]),
    ),
    max_size=14,
)


@for_all(ANYTHING)
def test_no_way_leads_around_the_gate(history):
    """Any messages, any order, any repetition, even such as billing never sends (L17)."""
    happened, _ = run(decider, history, verified(DISTRIBUTOR.inn))
    orders = [event for event in happened if isinstance(event, ManufacturingOrdered)]
    assert len(orders) <= 1
    for order in orders:
        sale = next(event for event in happened if isinstance(event, ShippingOpened))
        if order.basis is Basis.CONFIRMATION:
            assert sale.distributor is not None
            assert any(
                isinstance(message, DistributorConfirmed)
                and message.distributor_id == sale.distributor.id
                and message.confirmation_id == order.basis_id
                for message in history
            )
        else:
            assert sale.distributor is None
            invoice = next(event.number for event in happened if isinstance(event, InvoiceNoted))
            assert any(
                isinstance(message, PaymentReceived)
                and message.due == 0
                and message.invoice_number == invoice
                and message.payment_id == order.basis_id
                for message in history
            )
    kinds = [type(event) for event in happened]
    assert not (orders and ShippingClosed in kinds)
    assert kinds.count(ShipmentIssued) <= len(orders)


@for_all(ANYTHING)
def test_the_same_message_again_gives_nothing(history):
    assert again(decider, history, verified(DISTRIBUTOR.inn)) == []
