"""Billing: has the distributor confirmed, or the partner paid? (L15, L17)

In a sale through a distributor, the first answer of that distributor counts, whenever it came: one that was here before
the approval is held and taken up with it. In a direct sale an invoice is issued at once, and payments add up.

A withdrawal closes billing only while nothing is confirmed or paid in full. After that it changes nothing here: the
gate has been opened, and shipping alone says whether manufacturing was ordered before the withdrawal or not. Once
closed, billing never confirms or counts a payment again, so shipping can't order what billing has closed.

Money is never lost. What counts for the invoice is `PaymentReceived`; everything else that the bank reports is
`PaymentUnmatched` with its reason, so a payment after the withdrawal is on record and yet opens nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from events.approval import Approved, Rejected
from events.billing import (
    BillingClosed,
    BillingClosure,
    BillingOpened,
    ConfirmationHeld,
    ConfirmationRefused,
    DistributorConfirmed,
    DistributorDeclined,
    InvoiceIssued,
)
from events.commands import BankPayment, BankReturn, CreditOverpayment, MatchPayment, MatchReturn, ReturnMoney
from events.model import Channel, Decision, Event, Reason, Unacceptable
from events.request import RequestWithdrawn
from events.shipping import ShippingClosed, ShippingClosure
from services.billing import money, orders
from services.billing.state import (
    ZERO,
    Answered,
    AwaitingAnswer,
    AwaitingPayment,
    Closed,
    DistributorAnswer,
    Facts,
    Held,
    InDebt,
    Input,
    Invoice,
    Invoiced,
    Invoicing,
    NotApproved,
    Open,
    Paid,
    Seen,
    State,
)

MAX_HELD = 20
"""Answers held for one request before its approval. That takes a second; more than this is a mistake or an attack."""
MAX_HELD_OF_ONE = 3
"""Of them by one distributor, so that it can't take the place of the one that was asked."""
MAX_ANSWERS = 100
"""Answers remembered for one request. Refusals above it go to the dead letters; the answer that counts never does."""

INITIAL: State = NotApproved()


def decide(state: State, message: Input, facts: Facts) -> Decision:
    """What follows from a message. The same message twice gives nothing the second time."""
    match message:
        case Approved():
            return _approved(state, message, facts) if isinstance(state, NotApproved) else ()
        case Rejected():
            return _rejected(state)
        case RequestWithdrawn():
            return _withdrawn(state)
        case ShippingClosed():
            return _shipping_closed(state, message)
        case DistributorAnswer():
            return _answered(state, message)
        case BankPayment():
            return money.paid(state, message, facts)
        case BankReturn():
            return money.sent_back(state, message, facts)
        case MatchPayment() | ReturnMoney() | MatchReturn() | CreditOverpayment():
            return orders.ordered(state, message, facts)
        case _:
            assert_never(message)


def evolve(state: State, event: Event) -> State:
    """The state after one of billing's own events."""
    seen = state.seen
    match event:
        case BillingOpened(distributor_id=None):
            return Invoicing(seen)
        case BillingOpened(distributor_id=str(distributor_id)):
            return AwaitingAnswer(seen, distributor_id)
        case InvoiceIssued():
            return AwaitingPayment(seen, Invoice(event.number, event.payer_inn, event.amount, event.payer_id))
        case BillingClosed():
            return Closed(seen, event.reason, state.invoice if isinstance(state, Invoiced) else None)
        case ConfirmationHeld():
            held = Held(event.distributor_id, event.confirmation_id, event.accepted, event.note)
            before = state.held if isinstance(state, NotApproved) else ()
            return NotApproved(_with_answer(seen, event), (*before, held))
        case DistributorConfirmed() | DistributorDeclined():
            return Answered(_with_answer(seen, event), event.distributor_id)
        case ConfirmationRefused():
            return replace(state, seen=_with_answer(seen, event))
        case _:
            if (behind := money.after(state, event)) is not None:
                return behind
            raise ValueError(f"{event.TYPE} can't follow {state!r}")


def _approved(state: NotApproved, approved: Approved, facts: Facts) -> Decision:
    """The request is approved: billing opens; a direct sale gets its invoice (L15); what was held is taken up in the
    order it came."""
    distributor = approved.distributor
    if (distributor is None) != (approved.channel is Channel.DIRECT):
        return Unacceptable("channel-mismatch", f"channel {approved.channel} does not fit distributor {distributor}")
    payer = distributor or approved.partner
    product = approved.product
    opened = BillingOpened(
        channel=approved.channel,
        partner_id=approved.partner.id,
        distributor_id=distributor.id if distributor else None,
        payer_id=payer.id,
        payer_inn=payer.inn,
        product_id=product.id,
        amount=product.price,
        vat_rate=product.vat_rate,
    )
    events: list[Event] = [opened]
    if distributor is None:
        events.append(
            InvoiceIssued(
                number=facts.next_invoice_number,
                issued_on=facts.today,
                amount=product.price,
                vat_rate=product.vat_rate,
                payer_id=payer.id,
                payer_inn=payer.inn,
            )
        )
    return _take_up_held(state, events)


def _rejected(state: State) -> Decision:
    match state:
        case NotApproved():
            return _take_up_held(state, [BillingClosed(reason=BillingClosure.REJECTED, to_return=ZERO)])
        case Closed():
            return ()
        case _:
            return Unacceptable("rejected-after-approval", "approval decides once, and it has approved this request")


def _withdrawn(state: State) -> Decision:
    """Closes what is neither confirmed nor paid in full; later than that it is shipping's to answer."""
    match state:
        case NotApproved():
            return _take_up_held(state, [BillingClosed(reason=BillingClosure.WITHDRAWN, to_return=ZERO)])
        case AwaitingAnswer() | Invoicing():
            return (BillingClosed(reason=BillingClosure.WITHDRAWN, to_return=ZERO),)
        case AwaitingPayment():
            return money.close(state, BillingClosure.WITHDRAWN)
        case Answered() | Paid() | InDebt() | Closed():
            return ()


def _shipping_closed(state: State, closed: ShippingClosed) -> Decision:
    """Shipping has closed the request before manufacturing was ordered. It has the last word: what was paid goes back,
    in full payment as well."""
    if closed.reason is ShippingClosure.DECLINED:
        return ()  # billing's own word, come back
    if isinstance(state, Paid | InDebt):
        return money.close(state, BillingClosure.WITHDRAWN)
    return _withdrawn(state)


def _answered(state: State, answer: DistributorAnswer) -> Decision:
    """A distributor answers (L17): held before the approval, afterwards confirmed, declined or refused."""
    distributor_id, given = answer.distributor_id, answer.confirmation
    if (distributor_id, given.confirmation_id) in state.seen.answers:
        return ()
    held = Held(distributor_id, given.confirmation_id, given.accepted, given.note)
    event: Event
    if not isinstance(state, NotApproved):
        event = _verdict(state, held)
    elif len(state.held) < MAX_HELD and sum(h.distributor_id == distributor_id for h in state.held) < MAX_HELD_OF_ONE:
        event = ConfirmationHeld(
            distributor_id=distributor_id,
            confirmation_id=given.confirmation_id,
            accepted=given.accepted,
            note=given.note,
        )
    else:
        event = _refused(
            held,
            "too-many",
            "Слишком много ответов до согласования заявки. Дождитесь его и ответьте снова, с новым номером.",
        )
    if isinstance(event, ConfirmationRefused) and len(state.seen.answers) >= MAX_ANSWERS:
        return Unacceptable("too-many-answers", f"over {MAX_ANSWERS} answers for one request")
    return (event,)


def _take_up_held(state: NotApproved, events: list[Event]) -> Decision:
    """`events` end the waiting; add what becomes of every answer that was held."""
    after: State = state
    for event in events:
        after = evolve(after, event)
    for held in state.held:
        if not isinstance(after, NotApproved):
            events.append(_verdict(after, held))
            after = evolve(after, events[-1])
    return tuple(events)


def _verdict(state: Open | Closed, answer: Held) -> DistributorConfirmed | DistributorDeclined | ConfirmationRefused:
    """What an answer is worth (L17). Only the distributor of the request can answer, and only once."""
    match state:
        case Closed(reason=BillingClosure.REJECTED):
            return _refused(answer, "rejected", "Заявка отклонена, подтверждение не требуется.")
        case Closed(reason=BillingClosure.WITHDRAWN):
            return _refused(answer, "withdrawn", "Партнёр отозвал заявку, подтверждение не требуется.")
        case Invoicing() | AwaitingPayment() | Paid() | InDebt():
            return _refused(answer, "direct-sale", "Это прямая продажа: её оплачивает партнёр, дистрибьютора нет.")
        case AwaitingAnswer() | Answered() if state.distributor_id != answer.distributor_id:
            return _refused(answer, "other-distributor", "В заявке указан другой дистрибьютор.")
        case Answered():
            return _refused(answer, "already-answered", "Вы уже ответили на эту заявку. Первый ответ остаётся в силе.")
        case _:
            kind = DistributorConfirmed if answer.accepted else DistributorDeclined
            return kind(distributor_id=answer.distributor_id, confirmation_id=answer.confirmation_id, note=answer.note)


def _refused(answer: Held, code: str, message: str) -> ConfirmationRefused:
    return ConfirmationRefused(
        distributor_id=answer.distributor_id,
        confirmation_id=answer.confirmation_id,
        reason=Reason(code=code, message=message),
    )


def _with_answer(
    seen: Seen, event: ConfirmationHeld | DistributorConfirmed | DistributorDeclined | ConfirmationRefused
) -> Seen:
    return replace(seen, answers=seen.answers | {(event.distributor_id, event.confirmation_id)})
