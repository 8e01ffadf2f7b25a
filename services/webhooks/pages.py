"""Pages of webhooks, for partners and distributors: where events are posted, and what became of each."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from postavka.web.authorization import allowed
from postavka.web.frame import show
from postavka.web.idempotency import id_from
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.problem import Problem, not_found
from postavka.web.sign_in.return_to import back_to
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.webhooks.api import add, detail, entry, found, store
from services.webhooks.webhooks import MOST, TYPES, Webhook

router = APIRouter(include_in_schema=False)
TENANT = allowed(Role.PARTNER, Role.DISTRIBUTOR)
NAVIGATION = (
    Entry("Вебхуки", "/webhooks", frozenset((Role.PARTNER, Role.DISTRIBUTOR)), 90, "key-round", in_menu=True),
)
PAGE = 50
STATUSES = {"due": "Ждёт отправки", "sent": "Доставлено", "failed": "Не доставлено"}
REASONS = {
    "person": "Выключен вручную",
    "failures": "Выключен: сервер не принимал события трое суток",
    "gone": "Выключен: сервер ответил, что события ему больше не нужны (410)",
}


def standing(webhook: Webhook) -> tuple[str, str]:
    """Tone and words for how a webhook does."""
    if not webhook.is_on:
        return "bad" if webhook.off_reason != "person" else "idle", REASONS[webhook.off_reason or "person"]
    return ("bad", "Сервер не принимает события") if webhook.failing_since else ("good", "Работает")


@router.get("/webhooks")
async def webhooks_page(request: Request, principal: Annotated[Principal, TENANT]) -> Response:
    """The list of webhooks, and the form for a new one."""
    return await _list(request, principal)


@router.post("/webhooks")
async def add_webhook(request: Request, principal: Annotated[Principal, TENANT]) -> Response:
    """A new webhook: it is told of what comes from now on. The form has a key, so that sent twice it makes one."""
    form = await request.form()
    url, types = str(form.get("url", "")).strip(), [str(each) for each in form.getlist("types")]
    webhook_id = id_from(principal, "webhook", str(form.get("key") or uuid4()))
    try:
        async with web(request).database.rows(principal) as rows:
            made = await add(store(request, rows, principal), webhook_id, url, types)
    except Problem as wrong:
        return await _list(request, principal, wrong.status, trouble=wrong.detail, url=url, chosen=types)
    return RedirectResponse(f"/webhooks/{made.webhook_id}", 303)


@router.get("/webhooks/{webhook_id}")
async def webhook_page(
    request: Request,
    webhook_id: UUID,
    principal: Annotated[Principal, TENANT],
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> Response:
    """One webhook: its secret, how it does, and the log of deliveries before a number."""
    async with web(request).database.rows(principal) as rows:
        those = store(request, rows, principal)
        webhook = await found(those, webhook_id)
        secret, log = await those.secret(webhook_id), await those.log(webhook_id, before, PAGE + 1)
    tone, words = standing(webhook)
    return await show(
        request, principal, "webhook.html", webhook=webhook, secret=secret, log=log[:PAGE], more=len(log) > PAGE,
        before=before, tone=tone, words=words, statuses=STATUSES,
    )  # fmt: skip


@router.post("/webhooks/{webhook_id}/secret")
async def change_secret(request: Request, webhook_id: UUID, principal: Annotated[Principal, TENANT]) -> Response:
    """Another secret; the one before signs beside it for a day."""
    async with web(request).database.rows(principal) as rows:
        those = store(request, rows, principal)
        await those.change_secret((await found(those, webhook_id)).webhook_id)
    return back_to(f"/webhooks/{webhook_id}", done="webhook-secret")


@router.post("/webhooks/{webhook_id}/switch")
async def switch(
    request: Request, webhook_id: UUID, principal: Annotated[Principal, TENANT], on: Annotated[str, Form()] = "0"
) -> Response:
    """Switch it on or off."""
    async with web(request).database.rows(principal) as rows:
        those = store(request, rows, principal)
        await those.switch((await found(those, webhook_id)).webhook_id, on == "1")
    return RedirectResponse(f"/webhooks/{webhook_id}", 303)


@router.post("/webhooks/{webhook_id}/remove")
async def remove(request: Request, webhook_id: UUID, principal: Annotated[Principal, TENANT]) -> Response:
    """Nothing is posted any more; the log goes with it."""
    async with web(request).database.rows(principal) as rows:
        if not await store(request, rows, principal).remove(webhook_id):
            raise not_found()
    return back_to("/webhooks", done="webhook-removed")


@router.post("/webhooks/{webhook_id}/replay")
async def replay(
    request: Request, webhook_id: UUID, principal: Annotated[Principal, TENANT], number: Annotated[str, Form()] = "1"
) -> Response:
    """Post this event and everything behind it again."""
    first = int(number) if number.isascii() and number.isdigit() and len(number) < 18 else 1
    async with web(request).database.rows(principal) as rows:
        those = store(request, rows, principal)
        await those.replay((await found(those, webhook_id)).webhook_id, max(0, first - 1))
    return back_to(f"/webhooks/{webhook_id}", done="webhook-replay")


@router.get("/webhooks/{webhook_id}/deliveries/{number}")
async def delivery_page(
    request: Request, webhook_id: UUID, number: int, principal: Annotated[Principal, TENANT]
) -> Response:
    """One event: what was posted, and what was answered."""
    async with web(request).database.rows(principal) as rows:
        delivery = await detail(store(request, rows, principal), webhook_id, number)
    visitor_of(request).shown.add(delivery.request_id)
    payload = orjson.dumps(delivery.payload, option=orjson.OPT_INDENT_2).decode() if delivery.payload else ""
    return await show(
        request, principal, "delivery.html", webhook_id=webhook_id, delivery=delivery, payload=payload,
        statuses=STATUSES,
    )  # fmt: skip


@router.post("/webhooks/{webhook_id}/deliveries/{number}/again")
async def again(request: Request, webhook_id: UUID, number: int, principal: Annotated[Principal, TENANT]) -> Response:
    """Post an event again: «Отправить ещё раз»."""
    async with web(request).database.rows(principal) as rows:
        those = store(request, rows, principal)
        await those.again(webhook_id, (await entry(those, webhook_id, number)).number)
    return back_to(f"/webhooks/{webhook_id}/deliveries/{number}", done="webhook-again")


async def _list(
    request: Request,
    principal: Principal,
    status: int = 200,
    *,
    trouble: str | None = None,
    url: str = "",
    chosen: list[str] | None = None,
) -> Response:
    async with web(request).database.rows(principal) as rows:
        those = await store(request, rows, principal).all()
    return await show(
        request, principal, "webhooks.html", status, webhooks=[(each, *standing(each)) for each in those],
        trouble=trouble, url=url, chosen=chosen or [], types=TYPES, most=MOST, key=uuid4(),
    )  # fmt: skip
