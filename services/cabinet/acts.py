"""The acts of people and programs on a request, once for pages and API alike: looked at, then sent to Kafka.

Each act looks the request up as its caller may see it, so that another tenant's is simply not there. Whether it is
still possible the stages decide; what can be known here already is answered at once.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from events.activation import Activator
from events.commands import (
    ActivateDelivery,
    DeclineDocument,
    DistributorConfirmation,
    SignDocument,
    SubmitRequest,
    WithdrawRequest,
)
from events.model import Command
from events.registry import encode
from events.request import REQUEST_TYPE, RequestSubmitted
from events.versions import HELD_BACK
from postavka.kernel.installation.contract import QUERIES as CONTRACT_QUERIES
from postavka.kernel.store.queries import load_queries
from postavka.web.identity.principal import Principal, Role
from postavka.web.problem import not_found, problem
from postavka.web.state import Web
from services.cabinet.client_check import Agreement, CheckedClient, ClientInDoubt, check_client
from services.cabinet.requests import Requests, Row
from services.cabinet.unchecked import keep_unchecked

QUERIES = load_queries("services.cabinet")

SOON_SECONDS = 3.0
"""How long a reader waits for a request that it has just sent."""
OUTCOME_SECONDS = 5.0
"""How long a visitor waits for what comes of an activation."""

MOST_REFUSED = 20
"""Signatures of one document that are refused before no further one is taken here; shipping decides no more of them
(`too-many-signatures`), and each would be kept for ever."""

Result = Literal["accepted", "not-found", "not-waiting"]


@dataclass(frozen=True, slots=True)
class ActivationOutcome:
    """The outcome of an activation; None in `activated` while it is not decided."""

    activated: bool | None
    message: str
    product: str | None
    service_from: str | None = None
    service_until: str | None = None


async def find(parts: Web, principal: Principal, request_id: UUID) -> Row:
    """The request, waited for a moment if its sender asks right after sending. Raises 404."""
    async with parts.database.rows(principal) as rows:
        row = await Requests(rows, principal).one(request_id)
    if row is not None:
        return row
    if not parts.recently.knows(principal.owner, request_id):
        raise not_found()
    with parts.live.subscription(str(request_id), principal.owner) as changed:
        for patience in (SOON_SECONDS / 2, SOON_SECONDS / 2):
            async with parts.database.rows(principal) as rows:
                row = await Requests(rows, principal).one(request_id)
            if row is not None:
                return row
            await parts.live.wait(changed, patience)
    async with parts.database.rows(principal) as rows:
        row = await Requests(rows, principal).one(request_id)
    if row is None:
        raise problem(503, "unavailable", "Заявка отправлена, но ещё не видна. Повторите через минуту.")
    return row


async def submit(
    parts: Web, principal: Principal, request_id: UUID, fields: dict[str, Any], *, as_typed: bool = False
) -> None:
    """Send a request (L11). `fields` as typed; approval says what is wrong with them (L13). Where the tax register
    knows another client under this INN it goes out only `as_typed`, and is listed for operations to check; so is one
    that the register gave no answer about. Raises `ClientInDoubt`, `NotSentYet`; `TooMany` like all that sends; 409 for
    a renewal while the installation may still go back to a release that knows none."""
    checked = await check_client(parts.register, fields["inn"], fields["buyer"], fields["kpp"])
    if checked.agreement not in (Agreement.SAME, Agreement.UNCHECKED) and not as_typed:
        raise ClientInDoubt(checked)
    await submit_checked(parts, principal, request_id, fields, checked)


async def submit_checked(
    parts: Web, principal: Principal, request_id: UUID, fields: Mapping[str, Any], checked: CheckedClient
) -> None:
    """Send a request whose client was compared with the tax register before. Raises `NotSentYet`, `TooMany`."""
    assert principal.partner_id is not None  # noqa: S101  (`allowed(Role.PARTNER)`)
    command = SubmitRequest(
        request_id=request_id,
        partner_id=principal.partner_id,
        submitted_by=principal.actor,
        **{"request_type": REQUEST_TYPE, **fields},
    )
    if command.renews is not None:
        await _check_renewing(parts)
    await _keep(parts, principal, command)
    if checked.agreement is not Agreement.SAME:
        await keep_unchecked(parts, request_id, checked)
    await parts.commands.submit(command)
    parts.recently.note(principal.owner, request_id)


async def _check_renewing(parts: Web) -> None:
    async with parts.database.accounts() as rows:
        row = await (await rows.execute(CONTRACT_QUERIES.finished)).fetchone()
    if row is None or row[0] < HELD_BACK[RequestSubmitted.TYPE][0]:
        raise problem(
            409, "conflict", "Продлевать пока нельзя: обновление системы не завершено. Оператору нужно вызвать "
            "postavka migrate --finish."
        )  # fmt: skip


async def _keep(parts: Web, principal: Principal, command: Command) -> None:
    """Is there room for it in what the tenant may send in a day? What goes to the log stays there. Raises `TooMany`."""
    await parts.throttle.keep(principal.owner, len(encode(command)))


async def withdraw(parts: Web, principal: Principal, request_id: UUID, reason: str | None) -> None:
    """Take a request back. Raises 404, 409, `NotSentYet`."""
    row = await find(parts, principal, request_id)
    if not row.can_withdraw:
        raise problem(409, "conflict", f"Отозвать нельзя. Заявка сейчас: {row.status_title}.")
    assert principal.partner_id is not None  # noqa: S101
    command = WithdrawRequest(
        request_id=request_id, partner_id=principal.partner_id, withdrawn_by=principal.actor, reason=reason or None
    )
    await _keep(parts, principal, command)
    await parts.commands.withdraw(command)


def awaits_answer(row: Row) -> bool:
    """Does it wait for its distributor's word?"""
    return row.status == "awaiting-confirmation" and "confirmed_at" not in row.billing


async def answer(
    parts: Web, principal: Principal, request_id: UUID, confirmation_id: str, accepted: bool, note: str | None
) -> Result:
    """A distributor's word (L17): the record that its own Kafka client would write. Raises `NotSentYet`."""
    assert principal.distributor_id is not None  # noqa: S101
    async with parts.database.rows(principal) as rows:
        row = await Requests(rows, principal).one(request_id)
    if row is None:
        return "not-found"
    if not awaits_answer(row):
        return "not-waiting"
    command = DistributorConfirmation(
        request_id=request_id, confirmation_id=confirmation_id, accepted=accepted, note=note or None
    )
    await _keep(parts, principal, command)
    await parts.commands.answer(principal.distributor_id, command)
    return "accepted"


async def activate(parts: Web, principal: Principal, request_id: UUID, activation_id: str) -> Row:
    """The partner activates for the user (L19). Raises 404, 409, `NotSentYet`."""
    row = await find(parts, principal, request_id)
    if row.status == "activated":
        raise problem(409, "conflict", "Сервис уже активирован.")
    if row.status != "shipped":
        raise problem(409, "conflict", "Поставка ещё не оформлена. Активировать можно после отгрузки.")
    command = ActivateDelivery(
        request_id=request_id,
        activation_id=activation_id,
        activated_by=Activator.PARTNER,
        actor=principal.actor,
        partner_id=principal.partner_id,
    )
    await _keep(parts, principal, command)
    await parts.commands.activate(command)
    return row


async def activate_by_code(
    parts: Web, registration: str, code: str, activation_id: str, address: str
) -> ActivationOutcome:
    """A visitor activates (L19). An unknown number and a wrong code are one answer, in the same time. Raises 404,
    `NotSentYet`. The caller counts tries."""
    found = await _sold(parts, registration, code)
    if found is None:
        raise problem(
            404, "not-found", "Поставки с таким регистрационным номером и кодом нет. Проверьте оба и повторите."
        )
    request_id, product, status, activation = found
    before = _outcome(product, activation, activation_id)
    if before is not None:
        return before
    if status == "activated":
        return _activated(product, activation)
    command = ActivateDelivery(
        request_id=request_id,
        activation_id=activation_id,
        activated_by=Activator.USER,
        actor="user",
        code=code,
    )
    with parts.live.subscription(str(request_id), f"visitor:{address}") as changed:
        await parts.commands.activate(command)
        for _ in range(int(OUTCOME_SECONDS)):
            await parts.live.wait(changed, 1.0)
            found = await _sold(parts, registration, code)
            outcome = _outcome(product, found[3], activation_id) if found else None
            if outcome is not None:
                return outcome
    return ActivationOutcome(
        None, "Принято, проверяем. Повторите через минуту: второй раз ничего не случится.", product
    )


async def check_to_sign(parts: Web, principal: Principal, request_id: UUID, document_id: str) -> None:
    """Is there such a document, for this party to sign (L16)? Raises 404 (also where another party signs), 409."""
    row = await find(parts, principal, request_id)
    document = row.documents.get(document_id) or {}
    tenant = principal.partner_id if principal.role is Role.PARTNER else principal.distributor_id
    if document.get("recipient_id") != tenant:
        raise not_found()
    if "signed_at" in document:
        raise problem(409, "conflict", "Этот документ уже подписан.")
    if row.has_ended:
        raise problem(409, "conflict", f"Подписывать нечего. Заявка сейчас: {row.status_title}.")
    if len(document.get("refusals") or ()) >= MOST_REFUSED:
        raise problem(
            409, "conflict", f"Подписи этого документа отклонены {MOST_REFUSED} раз, больше они не принимаются. "
            "Напишите нам, что не получается."
        )  # fmt: skip


async def sign(
    parts: Web, principal: Principal, request_id: UUID, document_id: str, signature: str, title: str | None
) -> None:
    """A signed document comes back (L16). Raises as `check_to_sign` does, and `NotSentYet`."""
    await check_to_sign(parts, principal, request_id, document_id)
    command = SignDocument(
        request_id=request_id, document_id=document_id, signature=signature, title=title, sent_by=principal.actor
    )
    await _keep(parts, principal, command)
    await parts.commands.sign(command)


async def refuse_to_sign(
    parts: Web, principal: Principal, request_id: UUID, document_id: str, decline_id: str, reason: str
) -> None:
    """A document is not signed, and why: it has a mistake, say. It may be signed later. Raises as `sign` does."""
    await check_to_sign(parts, principal, request_id, document_id)
    command = DeclineDocument(
        request_id=request_id, document_id=document_id, decline_id=decline_id, reason=reason, sent_by=principal.actor
    )
    await _keep(parts, principal, command)
    await parts.commands.refuse_to_sign(command)


async def _sold(parts: Web, registration: str, code: str) -> tuple[UUID, str | None, str, dict[str, Any]] | None:
    async with parts.database.nobody() as rows:
        found = await rows.execute(QUERIES.sold, (registration,))
        deliveries = await found.fetchall()
    fitting = None
    for request_id, right, product, status, activation in deliveries:
        # A code of no letters and digits fits nothing, not even a delivery that has none.
        is_right = hmac.compare_digest(plain_code(code).encode(), plain_code(right or "").encode())
        if is_right and plain_code(code):
            fitting = (request_id, product, status, activation or {})
    return fitting


def plain_code(code: str) -> str:
    """The code as it is compared: without regard to case and hyphens. Empty: it is no code."""
    return "".join(each for each in code.upper() if each.isalnum())


def _outcome(product: str | None, activation: dict[str, Any], activation_id: str) -> ActivationOutcome | None:
    if activation.get("activation_id") == activation_id and "activated_at" in activation:
        return _activated(product, activation)
    for refusal in activation.get("refusals") or ():
        if refusal["activation_id"] == activation_id:
            return ActivationOutcome(False, refusal["reason"]["message"], product)
    return None


def _activated(product: str | None, activation: dict[str, Any]) -> ActivationOutcome:
    return ActivationOutcome(
        True, "Сервис активирован.", product, activation.get("service_from"), activation.get("service_until")
    )
