"""Activation: does the service start to run? (L19)

Here, and nowhere earlier, the registration number must be known to the vendor and its 1C:ITS contract be active (L2).
The user activates with the code of the kit, or the partner that bought the delivery does it for the user. A refusal is
not the end: it can be tried again when what was missing is there. An activation may be read before the shipment it is
for (other topic): it is held and taken up with the shipment.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import date

from events.activation import Activated, ActivationHeld, ActivationRefused, Activator, DeliveryRegistered
from events.commands import ActivateDelivery
from events.model import Decision, Event, Reason
from events.reference import Contract
from events.shipping import ShipmentIssued
from postavka.domain.periods import last_day

MOST_HELD = 5
"""Activations held for a delivery that is not known yet; further ones are refused."""
REMEMBERED_TRIES = 50
"""Ids of tries that are remembered: the same one again gives nothing."""
MOST_WRONG_CODES = 10
"""Wrong codes in a row; then only the partner can activate. Guessing a code of 80 bits stays hopeless."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The vendor's knowledge of the delivery's registration number on this day."""

    today: date
    """In Moscow."""
    registration_known: bool = False
    contract: Contract | None = None
    """The 1C:ITS contract that is valid today or was last valid."""


@dataclass(frozen=True, slots=True)
class SoldDelivery:
    """The facts of what was sold."""

    partner_id: str
    registration_number: str
    code: str
    months: int


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants to activate: as the partner that bought the delivery, or with the code of the kit."""

    activation_id: str
    activated_by: Activator
    actor: str
    partner_id: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """No shipment under this id has been read yet."""

    tries: tuple[str, ...] = ()
    held: tuple[Wish, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """The delivery is shipped, and not activated."""

    delivery: SoldDelivery
    tries: tuple[str, ...] = ()
    wrong_codes: int = 0
    """In a row."""


@dataclass(frozen=True, slots=True)
class Active:
    """The service runs, activated."""

    delivery: SoldDelivery
    tries: tuple[str, ...] = ()


State = Unknown | Ready | Active

INITIAL: State = Unknown()


def registration_to_look_up(state: State, message: ShipmentIssued | ActivateDelivery) -> str | None:
    """The number whose facts `decide` wants for this message; None where nothing is looked up."""
    match message, state:
        case ActivateDelivery(), Ready():
            return state.delivery.registration_number
        case ShipmentIssued(), Unknown() if state.held:
            return message.registration_number
        case _:
            return None


def decide(state: State, message: ShipmentIssued | ActivateDelivery, facts: Facts) -> Decision:
    """What follows from a message. The same one twice gives nothing the second time."""
    match message:
        case ShipmentIssued():
            return _take_up_held(state, message, facts) if isinstance(state, Unknown) else ()
        case ActivateDelivery() if message.activation_id in state.tries:
            return ()
        case ActivateDelivery():
            wish = _wish(message)
            if not isinstance(state, Unknown):
                return (_verdict(state, wish, facts),)
            return (_held(wish) if len(state.held) < MOST_HELD else _refused(wish, NOT_SHIPPED),)


def evolve(state: State, event: Event) -> State:
    """The state after one of this stage's own events."""
    match event, state:
        case ActivationHeld(), Unknown():
            return Unknown(_with(state.tries, event.activation_id), (*state.held, _wish(event)))
        case DeliveryRegistered(), Unknown():
            sold = SoldDelivery(event.partner_id, event.registration_number, event.code, event.months)
            return Ready(sold, state.tries)
        case Activated(), Ready():
            return Active(state.delivery, _with(state.tries, event.activation_id))
        case ActivationRefused(), Ready():
            return replace(state, tries=_with(state.tries, event.activation_id), wrong_codes=_wrong_codes(state, event))
        case ActivationRefused(), (Unknown() | Active()):
            return replace(state, tries=_with(state.tries, event.activation_id))
        case _:
            raise ValueError(f"{event.TYPE} can't follow {state!r}")


NOT_SHIPPED = Reason(code="not-shipped", message="Поставка ещё не оформлена. Повторите активацию после отгрузки.")
WRONG_CODE = Reason(code="wrong-code", message="Код активации неверен. Проверьте его и повторите.")
TOO_MANY_CODES = Reason(
    code="too-many-attempts",
    message="Слишком много неверных кодов. Попросите активировать сервис партнёра, у которого вы его купили.",
)
ALREADY_ACTIVE = Reason(code="already-activated", message="Сервис уже активирован.")
LOOKED_UP = frozenset(("unknown-registration", "no-contract", "contract-not-active"))
"""Codes of refusals that follow from registration number or contract: the event carries what was found."""


def _take_up_held(state: Unknown, shipped: ShipmentIssued, facts: Facts) -> Decision:
    """The delivery is known now, and with it what becomes of every activation that was held."""
    events: list[Event] = [_registered(shipped)]
    after = evolve(state, events[0])
    for wish in state.held:
        if not isinstance(after, Unknown):
            events.append(_verdict(after, wish, facts))
            after = evolve(after, events[-1])
    return tuple(events)


def _verdict(state: Ready | Active, wish: Wish, facts: Facts) -> Activated | ActivationRefused:
    reason = _obstacle(state, wish, facts)
    if reason is not None or facts.contract is None:
        return _refused(wish, reason or ALREADY_ACTIVE, facts if reason and reason.code in LOOKED_UP else None)
    return _activated(state.delivery, wish, facts.today, facts.contract)


def _obstacle(state: Ready | Active, wish: Wish, facts: Facts) -> Reason | None:
    """Why it can't be activated now; None if it can. A stranger learns no more than that there is nothing for it."""
    by_partner = wish.activated_by is Activator.PARTNER
    if by_partner and wish.partner_id != state.delivery.partner_id:
        return NOT_SHIPPED
    if not by_partner:
        if isinstance(state, Ready) and state.wrong_codes >= MOST_WRONG_CODES:
            return TOO_MANY_CODES
        if not _same(wish.code, state.delivery.code):
            return WRONG_CODE
    if isinstance(state, Active):
        return ALREADY_ACTIVE
    return _missing_right(state.delivery.registration_number, facts)


def _missing_right(number: str, facts: Facts) -> Reason | None:
    """What is missing by L2, which is what an envelope's activation has always required."""
    if not facts.registration_known:
        return Reason(
            code="unknown-registration",
            message=f"Регистрационный номер {number} не найден. Зарегистрируйте основную поставку и повторите.",
        )
    contract = facts.contract
    if contract is None:
        return Reason(
            code="no-contract",
            message=f"Для номера {number} нет договора 1С:ИТС. Заключите договор и повторите активацию.",
        )
    if not contract.valid_from <= facts.today <= contract.valid_until:
        return Reason(
            code="contract-not-active",
            message=f"Договор 1С:ИТС {contract.number} не действует: его срок до {contract.valid_until:%d.%m.%Y}. "
            "Продлите договор и повторите активацию.",
        )
    return None


def _registered(shipped: ShipmentIssued) -> DeliveryRegistered:
    return DeliveryRegistered(
        partner_id=shipped.partner_id,
        registration_number=shipped.registration_number,
        kit_number=shipped.kit.number,
        code=shipped.kit.code,
        product_id=shipped.product.id,
        months=shipped.product.months,
    )


def _activated(delivery: SoldDelivery, wish: Wish, today: date, contract: Contract) -> Activated:
    return Activated(
        activation_id=wish.activation_id,
        activated_by=wish.activated_by,
        actor=wish.actor,
        registration_number=delivery.registration_number,
        contract=contract,
        service_from=today,
        service_until=last_day(today, delivery.months),
    )


def _refused(wish: Wish, reason: Reason, facts: Facts | None = None) -> ActivationRefused:
    return ActivationRefused(
        activation_id=wish.activation_id,
        activated_by=wish.activated_by,
        actor=wish.actor,
        reason=reason,
        looked_up_on=facts.today if facts else None,
        contract=facts.contract if facts else None,
    )


def _held(wish: Wish) -> ActivationHeld:
    return ActivationHeld(
        activation_id=wish.activation_id,
        activated_by=wish.activated_by,
        actor=wish.actor,
        partner_id=wish.partner_id,
        code=wish.code,
    )


def _wish(asked: ActivateDelivery | ActivationHeld) -> Wish:
    return Wish(asked.activation_id, asked.activated_by, asked.actor, asked.partner_id, asked.code)


def _wrong_codes(state: Ready, refused: ActivationRefused) -> int:
    """How many in a row, after this refusal. A user with the right code may be refused for another reason."""
    if refused.reason.code == WRONG_CODE.code:
        return state.wrong_codes + 1
    knew_the_code = refused.activated_by is Activator.USER and refused.reason.code != TOO_MANY_CODES.code
    return 0 if knew_the_code else state.wrong_codes


def _same(given: str | None, right: str) -> bool:
    """Whether two codes are the same, in constant time; case and hyphens don't matter to a person who types. Nothing is
    the same as nothing."""
    return bool(_plain(right)) and hmac.compare_digest(_plain(given or "").encode(), _plain(right).encode())


def _plain(code: str) -> str:
    return "".join(each for each in code.upper() if each.isalnum())


def _with(tries: tuple[str, ...], activation_id: str) -> tuple[str, ...]:
    return (*tries, activation_id)[-REMEMBERED_TRIES:]
