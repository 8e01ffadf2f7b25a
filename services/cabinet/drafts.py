"""Drafts of requests: what a user has typed and not sent yet, on every computer of that user, for 30 days."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.types.json import Jsonb

from postavka.domain.email_address import is_address
from postavka.kernel.store.queries import load_queries
from postavka.web.database import Connection
from postavka.web.formats import at
from postavka.web.identity.principal import Principal
from postavka.web.personal import reveal
from postavka.web.planned.ask import CommandQuestion
from postavka.web.planned.kinds import CommandKind, CommandOutcome, Fields
from postavka.web.state import Web
from services.cabinet.requests import Requests
from services.cabinet.sealed import PERSONAL, is_erased, sealed
from services.cabinet.view.form import Typed

QUERIES = load_queries("services.cabinet")
KEEP = timedelta(days=30)
MOST = 20
"""Of one user; the oldest makes room."""
WHOLE_NUMBER = 10
"""Digits of a telephone number; with fewer it is still being typed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A form that was not sent."""

    request_id: UUID
    changed_at: datetime
    typed: Typed


async def keep(parts: Web, principal: Principal, typed: Typed) -> None:
    """Keep what was typed, unless it has been sent. An address or number that can't be one is left out: it would name a
    person that there is not."""
    request_id = UUID(typed.request_id)
    if parts.recently.knows(principal.owner, request_id):
        return
    written = await asyncio.to_thread(sealed, parts, _of_somebody(typed))
    async with parts.database.rows(principal) as rows:
        if await Requests(rows, principal).one(request_id) is not None:
            return
        await rows.execute(QUERIES.keep_draft, (principal.id, principal.partner_id, request_id, Jsonb(written)))
        about = {"user": principal.id, "partner": principal.partner_id, "most": MOST}
        await rows.execute(QUERIES.trim_drafts, about)


async def drafts_of(parts: Web, principal: Principal) -> list[Draft]:
    """A user's drafts, the newest first. What was erased meanwhile is left empty."""
    async with parts.database.rows(principal) as rows:
        found = await (await rows.execute(QUERIES.drafts, (principal.id, principal.partner_id))).fetchall()
    return [
        Draft(request_id, changed_at, _without_erased(Typed.of(typed)))
        for request_id, changed_at, typed in await asyncio.to_thread(reveal, found)
    ]


async def find(parts: Web, principal: Principal, request_id: UUID) -> Draft | None:
    """A user's draft; None where there is none, or it is another's."""
    return next((each for each in await drafts_of(parts, principal) if each.request_id == request_id), None)


async def forget(parts: Web, principal: Principal, request_id: UUID) -> None:
    """Remove a draft, if it is there and this user's."""
    async with parts.database.rows(principal) as rows:
        await rows.execute(QUERIES.forget_draft, (principal.id, principal.partner_id, request_id))


async def sweep(rows: Connection) -> None:
    """Remove what nobody has touched for so long."""
    await rows.execute(QUERIES.expire_drafts, (KEEP,))


def question_of_removal(draft: Draft) -> CommandQuestion:
    """A draft is removed, and what was typed with it."""
    whose = draft.typed.buyer or draft.typed.inn or "клиент не указан"
    points = (f"Изменён {at(draft.changed_at)}. Введённое пропадёт на всех ваших компьютерах.",)
    return CommandQuestion(f"Удалить черновик заявки: {whose}", "Удалить", points, is_refusal=True)


async def _remove(parts: Web, principal: Principal, fields: Fields) -> CommandOutcome:
    await forget(parts, principal, UUID(fields["request_id"]))
    return CommandOutcome(True, "Черновик удалён.")


REMOVE = CommandKind("remove-draft", _remove)


def _of_somebody(typed: Typed) -> Typed:
    """What was typed, without an address or number that is only half typed."""
    email = typed.client_email if is_address(typed.client_email) else ""
    phone = typed.client_phone if sum(map(str.isdigit, typed.client_phone)) >= WHOLE_NUMBER else ""
    return replace(typed, client_email=email, client_phone=phone)


def _without_erased(typed: Typed) -> Typed:
    return replace(typed, **dict.fromkeys(PERSONAL, "")) if is_erased(typed) else typed
