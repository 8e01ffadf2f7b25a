"""What is news, and for whom (L14, L15)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import permutations

import pytest

from events.activation import Activated, ActivationRefused, Activator
from events.approval import Approved
from events.billing import (
    ConfirmationHeld,
    ConfirmationRefused,
    DistributorDeclined,
    PaymentReceived,
)
from events.model import Channel, Delivery, Message, Reason
from events.ops import Awaited, ReminderRequested
from events.reference import Contact, Contract
from events.renewal import Reckoning, ReminderDue
from events.shipping import (
    DocumentDispatched,
    DocumentKind,
    DocumentSigned,
    Kit,
    ShipmentIssued,
    ShippingClosed,
    ShippingClosure,
    SignatureRefused,
    WithdrawalRefused,
)
from postavka.domain.reference.store import PartnerEntry, Snapshot
from services.notices.categories import Audience
from services.notices.channels.email.recipients import recipients
from services.notices.rules import News
from services.notices.texts import word
from tests.services.notices.stories import (
    CLIENT,
    CONTACT,
    DIRECT,
    DISTRIBUTOR,
    NOON,
    NUMBER,
    PARTNER,
    PRODUCT,
    REQUEST,
    THROUGH,
    VENDOR,
    approved,
    confirmed,
    issued,
    permission,
    rejected,
    submitted,
    summary,
    told,
)


def reminder(contract: Contract | None = None) -> ReminderDue:
    reckoning = Reckoning(day=date(2027, 3, 1), moment=NOON, zone="Europe/Moscow", ladder=(14,))
    return ReminderDue(
        service_until=date(2027, 3, 15), days_before=14, days_left=14, contract=contract, reckoning=reckoning
    )


REASON = Reason(code="already-answered", message="Вы уже ответили на эту заявку.")
ACTIVATED = Activated(
    activation_id="a-1",
    activated_by=Activator.PARTNER,
    actor="vetrova",
    registration_number="1000001",
    contract=Contract(number="ITS-1", valid_from=date(2026, 1, 1), valid_until=date(2026, 12, 31)),
    service_from=date(2026, 3, 16),
    service_until=date(2027, 3, 15),
)
SHIPPED = ShipmentIssued(
    channel=Channel.DISTRIBUTOR,
    partner_id=PARTNER.id,
    distributor_id=DISTRIBUTOR.id,
    kit=Kit(number="659189853345", code="ABCD-EFGH-JKLM-NPQR", name=PRODUCT.name),
    product=PRODUCT,
    client=CLIENT,
    registration_number="1000001",
    shipped_on=date(2026, 3, 16),
)


def payment(due: str) -> PaymentReceived:
    return PaymentReceived(
        payment_id="p-1",
        invoice_number="2026-0000001",
        amount=Decimal("10080.00"),
        paid=Decimal("20160.00") - Decimal(due),
        due=Decimal(due),
        overpaid=Decimal("0.00"),
        received_on=date(2026, 3, 17),
        payer_inn=PARTNER.inn,
    )


def test_through_a_distributor_both_are_told_the_permission_number():
    news = told(*THROUGH)
    assert summary(news) == [
        (PARTNER.id, "permission", None),
        (DISTRIBUTOR.id, "permission", "permission"),
        (DISTRIBUTOR.id, None, "document"),
    ]
    for each in news[:2]:
        assert (NUMBER in word(each, VENDOR).text) or ("Номер разрешения", NUMBER) in word(each, VENDOR).rows


def test_directly_the_partner_gets_permission_and_invoice_in_one_letter():
    news = told(*DIRECT)
    assert summary(news) == [(PARTNER.id, "permission", None)]
    worded = word(news[0], VENDOR)
    assert ("Номер разрешения", NUMBER) in worded.rows
    assert "20\N{NO-BREAK SPACE}160,00\N{NO-BREAK SPACE}₽" in worded.text
    assert "2026-0000001 от 16.03.2026" in worded.text


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_in_whatever_order_the_topics_are_read_the_same_is_told(order: tuple[int, ...]):
    """Within shipping's topic order holds; against the others anything may be first."""
    if order.index(2) > order.index(3):
        return
    events = [THROUGH[number] for number in order]
    assert sorted(map(str, summary(told(*events)))) == sorted(map(str, summary(told(*THROUGH))))


def test_a_rejection_comes_with_every_reason_even_before_the_request_is_read():
    for events in ((submitted(), rejected()), (rejected(), submitted())):
        news = told(*events)
        assert summary(news) == [(PARTNER.id, "rejected", None)]
        assert word(news[0], VENDOR).points == ("Контрольная цифра не сходится.",)


def test_an_answer_that_was_here_first_is_not_asked_for_again():
    asked = next(each for each in told(*THROUGH) if each.party is Audience.DISTRIBUTOR)
    assert "Ответьте, готовы ли вы" in word(asked, VENDOR).text
    news = told(submitted(), approved(), confirmed(), permission(), issued(DocumentKind.ACT))
    late = next(each for each in news if each.topic == "permission")
    assert "Ответьте" not in word(late, VENDOR).text


AFTER: list[tuple[Message, list[tuple[str, str | None, str | None]]]] = [
    (confirmed(), [(DISTRIBUTOR.id, None, "confirmed"), (PARTNER.id, "confirmed", None)]),
    (
        DistributorDeclined(distributor_id=DISTRIBUTOR.id, confirmation_id="c-1"),
        [(DISTRIBUTOR.id, None, "declined"), (PARTNER.id, "declined", None)],
    ),
    (
        ConfirmationRefused(distributor_id=DISTRIBUTOR.id, confirmation_id="c-2", reason=REASON),
        [(DISTRIBUTOR.id, "refused", "refused")],
    ),
    (ShippingClosed(reason=ShippingClosure.WITHDRAWN), [(DISTRIBUTOR.id, "closed", "closed")]),
    (ShippingClosed(reason=ShippingClosure.DECLINED), []),
    (WithdrawalRefused(reason=REASON), [(PARTNER.id, "withdrawal-refused", None)]),
    (
        SignatureRefused(document_id="act-1", reason=REASON, signature_sha256="cd" * 32),
        [(DISTRIBUTOR.id, "signature-refused", "signature-refused")],
    ),
    (
        DocumentSigned(
            document_id="act-1",
            signer_inn=DISTRIBUTOR.inn,
            certificate_serial="1",
            certificate_subject="CN=x",
            signed_at=NOON,
            signature_sha256="cd" * 32,
            form="pdf/1",
            covers_sha256=None,
        ),
        [(DISTRIBUTOR.id, None, "signed")],
    ),
    (SHIPPED, [(PARTNER.id, "shipped", None), (DISTRIBUTOR.id, None, "shipped")]),
    (ACTIVATED, [(PARTNER.id, "activated", None)]),
    (
        ActivationRefused(activation_id="a-1", activated_by=Activator.USER, actor="x", reason=REASON),
        [(PARTNER.id, "activation-refused", None)],
    ),
    (reminder(), [(PARTNER.id, "renewal", None)]),
    (
        ReminderRequested(
            awaited=Awaited.DISTRIBUTOR, awaited_id=DISTRIBUTOR.id, waits_for="confirmation", requested_by="ops"
        ),
        [(DISTRIBUTOR.id, "reminder", None)],
    ),
    (
        ReminderRequested(
            awaited=Awaited.DISTRIBUTOR, awaited_id="dist-ural", waits_for="confirmation", requested_by="ops"
        ),
        [],
    ),
]


@pytest.mark.parametrize(("event", "expected"), AFTER, ids=[f"{each.TYPE}-{len(e)}" for each, e in AFTER])
def test_what_happens_afterwards(event: Message, expected: list[tuple[str, str | None, str | None]]):
    news = told(*THROUGH, event)[3:]
    assert summary(news) == expected
    for each in news:
        worded = word(each, VENDOR)
        assert worded.title
        assert "None" not in worded.text + str(worded.rows)


def test_money_of_a_direct_sale():
    part, all_of_it = told(*DIRECT, payment("10080.00"))[1], told(*DIRECT, payment("0.00"))[1]
    assert "Осталось 10\N{NO-BREAK SPACE}080,00\N{NO-BREAK SPACE}₽" in word(part, VENDOR).text
    assert "оплачен полностью" in word(all_of_it, VENDOR).text


def test_paper_of_a_direct_sale_comes_with_its_tracking_number():
    sent = DocumentDispatched(
        document_id="shipping-1", delivery=Delivery.POST, dispatch_id="d-1", tracking="80086012345678"
    )
    assert "80086012345678" in word(told(*DIRECT, sent)[1], VENDOR).text


def test_the_activation_code_is_in_no_letter_and_no_notice():
    for each in told(*THROUGH, SHIPPED):
        assert SHIPPED.kit.code not in str(word(each, VENDOR)) + str(dict(each.facts))


def test_another_distributor_gets_its_receipt_and_nothing_of_the_request():
    stranger = ConfirmationRefused(distributor_id="dist-ural", confirmation_id="u-1", reason=REASON)
    (news,) = told(*THROUGH, stranger)[3:]
    assert (news.party_id, news.known) == ("dist-ural", None)
    shown = str(word(news, VENDOR)) + str(dict(news.facts))
    for secret in (CLIENT.name, CLIENT.inn, PARTNER.name, NUMBER, PRODUCT.name, "1000001"):
        assert secret not in shown


def test_an_answer_before_the_approval_is_receipted_at_once():
    held = ConfirmationHeld(distributor_id=DISTRIBUTOR.id, confirmation_id="c-1", accepted=True)
    (news,) = told(submitted(), held)
    assert (news.topic, news.known) == ("held", None)


def test_only_parties_are_ever_told():
    """Whatever happens, and in whatever order: the request's partner, the approved distributor, an answerer."""
    events: list[Message] = [*THROUGH, *(event for event, _ in AFTER)]
    for turn in range(len(events)):
        for each in told(*events[turn:], *events[:turn]):
            assert each.party_id in (PARTNER.id, DISTRIBUTOR.id)


SECRET = "enc:v1:AAAAAAAAAAA:QUJDREVGR0g="
ENCRYPTED_CONTACT = CONTACT.model_copy(update={"name": SECRET, "email": SECRET, "phone": None})


def nobody_else() -> Snapshot:
    """Reference data in which the partner has another contact, with an address."""
    other = Contact(id="other", name="Другой Контакт", email="other@partner.example", phone=None)
    return Snapshot(1, {PARTNER.id: PartnerEntry(PARTNER, {other.id: other})}, {}, {}, {})


def the_partners_letter() -> News:
    direct = [
        each.model_copy(update={"contact": ENCRYPTED_CONTACT}) if isinstance(each, Approved) else each
        for each in DIRECT
    ]
    return told(*direct)[0]


def test_a_contact_that_is_encrypted_on_the_log_is_written_to_at_its_own_address():
    found = recipients(the_partners_letter(), nobody_else(), lambda _: CONTACT)
    assert [(each.address, each.name) for each in found] == [(CONTACT.email, CONTACT.name)]


def test_a_contact_that_was_erased_is_not_written_to():
    erased = CONTACT.model_copy(update={"name": "стёрто", "email": "стёрто"})
    found = recipients(the_partners_letter(), nobody_else(), lambda _: erased)
    assert [each.address for each in found] == ["other@partner.example"]


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        (None, "Договора 1С:ИТС у пользователя нет"),
        (date(2027, 3, 15), "№ ITS-1 действует до 15.03.2027. Продлите и его"),
        (date(2027, 3, 16), None),
    ],
)
def test_a_reminder_says_whether_the_contract_will_do(contract: date | None, said: str | None) -> None:
    """What is bought without a contract can't be activated (L2, L19)."""
    known = contract and Contract(number="ITS-1", valid_from=date(2026, 1, 1), valid_until=contract)
    worded = word(told(*THROUGH, reminder(known))[-1], VENDOR)
    assert worded.title == "Сервис работает до 15.03.2027: АО «Завод точных весов»"
    assert (said or "") in worded.text
    assert ("1С:ИТС" in worded.text) == (said is not None)
    assert (worded.action, worded.path) == ("Открыть и продлить", f"/requests/{REQUEST}")
