"""`/api/v1/webhooks`: where a tenant's events are posted, and what became of each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from postavka.web.authorization import allowed
from postavka.web.database import Connection
from postavka.web.idempotency import IdempotencyKey, id_from, once
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.problem import FieldError, Problem, not_found, problem
from postavka.web.state import web
from services.feed.api import gone
from services.feed.reading import CursorGone, number_of, read_page
from services.webhooks.addresses import LONGEST_URL, AddressRefused
from services.webhooks.settings import webhook_settings
from services.webhooks.webhooks import MOST, TYPES, LoggedDelivery, TooManyWebhooks, Webhook, Webhooks, message_id

router = APIRouter(tags=["webhooks"])

KEEPER = allowed(Role.PARTNER, Role.DISTRIBUTOR, scope=Scope.WEBHOOKS)


EventName = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class NewWebhook(BaseModel):
    """Where events are to be posted."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        max_length=LONGEST_URL,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Of your receiver: `https://…`, at a public address",
    )
    types: list[EventName] = Field(
        [], max_length=100, description="Names of events without their version: `Approved`; none: all that you may see"
    )


class Replay(BaseModel):
    """The place from which on events are posted again."""

    model_config = ConfigDict(extra="forbid")

    after: str = Field(
        max_length=40,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="`cursor` of an event: everything behind it is posted again; `0`: everything",
    )


class WebhookOut(BaseModel):
    """A webhook of yours."""

    webhook_id: UUID = Field(description="Of this webhook")
    url: str = Field(description="Where events are posted")
    types: list[str] = Field(description="Names of events; none: all that you may see")
    is_on: bool = Field(description="Events are posted; false: they wait")
    off_reason: Literal["person", "failures", "gone"] | None = Field(
        description="Why it is off: somebody did it; three days of failures; your receiver has answered 410"
    )
    failing_since: datetime | None = Field(description="No event was taken since then; null: it works")
    former_secret_until: datetime | None = Field(description="Until then the secret before the last change signs too")
    created_at: datetime = Field(description="When it was made, UTC")
    created_by: str = Field(description="Who has made it")


class WebhookList(BaseModel):
    """Your webhooks."""

    items: list[WebhookOut] = Field(description="The oldest first")


class WebhookSecret(BaseModel):
    """The secret of a webhook."""

    secret: str = Field(description="`whsec_…`, as libraries of Standard Webhooks take it")


class DeliveryOut(BaseModel):
    """An event that was posted, or will be."""

    number: int = Field(description="Of the event in your feed")
    request_id: UUID = Field(description="The request that it belongs to")
    type: str = Field(description="Name and version of the event")
    status: Literal["due", "sent", "failed"] = Field(description="`failed`: given up after three days of tries")
    tries: int = Field(description="How often it was tried")
    next_at: datetime | None = Field(description="When it is tried next; null: it is not")
    tried_at: datetime | None = Field(description="When it was tried last")
    took_ms: int | None = Field(description="How long the last try took, in milliseconds")
    answered: int | None = Field(description="Status of the last answer; null: there was none")
    said: str | None = Field(description="Beginning of the last answer, or what went wrong, where it may be kept")


class DeliveryPage(BaseModel):
    """The log of deliveries, the newest event first."""

    items: list[DeliveryOut] = Field(description="The newest event first")
    next: int | None = Field(description="Send it as `before`; null at the end")


class DeliveryDetail(DeliveryOut):
    """An event that was posted, with what is posted."""

    message_id: str = Field(description="`webhook-id`: the same however often it is posted")
    payload: dict[str, Any] | None = Field(
        description="The event as it is posted; null: it is not in the feed any more"
    )


def store(request: Request, rows: Connection, principal: Principal) -> Webhooks:
    """The webhooks of who asks."""
    return Webhooks(rows, principal, web(request).kernel, webhook_settings())


def out(each: Webhook) -> WebhookOut:
    """A webhook as it is answered."""
    fields = {name: getattr(each, name) for name in WebhookOut.model_fields if name != "former_secret_until"}
    return WebhookOut(**fields, former_secret_until=each.former_until)


async def found(those: Webhooks, webhook_id: UUID) -> Webhook:
    """A webhook of who asks. Raises 404."""
    webhook = await those.one(webhook_id)
    if webhook is None:
        raise not_found()
    return webhook


async def add(those: Webhooks, webhook_id: UUID, url: str, types: list[str]) -> Webhook:
    """Add a webhook. Raises `Problem` for a wrong address or type, and for one too many."""
    unknown = sorted(set(types) - set(TYPES))
    if unknown:
        raise _wrong("types", "unknown", f"Таких событий нет: {', '.join(each[:60] for each in unknown[:5])}.")
    try:
        await those.add(webhook_id, url, types)
    except AddressRefused as refused:
        raise _wrong("url", "refused", str(refused)) from None
    except TooManyWebhooks:
        raise problem(409, "conflict", f"Вебхуков может быть {MOST}. Удалите ненужный.") from None
    return await found(those, webhook_id)


def _wrong(field: str, code: str, detail: str) -> Problem:
    return problem(422, "invalid", detail, errors=[FieldError(pointer=f"#/{field}", code=code, detail=detail)])


@router.get("/webhooks", operation_id="listWebhooks", summary="Your webhooks")
async def list_webhooks(request: Request, principal: Annotated[Principal, KEEPER]) -> WebhookList:
    """All of your organisation's, whoever has made them."""
    async with web(request).database.rows(principal) as rows:
        return WebhookList(items=[out(each) for each in await store(request, rows, principal).all()])


@router.post(
    "/webhooks", operation_id="addWebhook", status_code=201, response_model=WebhookOut, summary="Post events somewhere"
)
async def add_webhook(
    request: Request,
    principal: Annotated[Principal, KEEPER],
    body: NewWebhook,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Post what happens from now on; `replayWebhook` posts what was before."""

    async def act(key: str) -> tuple[int, WebhookOut]:
        async with web(request).database.rows(principal) as rows:
            those = store(request, rows, principal)
            return 201, out(await add(those, id_from(principal, "webhook", key), body.url, body.types))

    return await once(request, principal, idempotency_key, act)


@router.get("/webhooks/{webhook_id}", operation_id="getWebhook", summary="One webhook")
async def get_webhook(request: Request, webhook_id: UUID, principal: Annotated[Principal, KEEPER]) -> WebhookOut:
    """Whether it works, too."""
    async with web(request).database.rows(principal) as rows:
        return out(await found(store(request, rows, principal), webhook_id))


@router.delete("/webhooks/{webhook_id}", operation_id="removeWebhook", status_code=204, summary="Post nothing any more")
async def remove_webhook(request: Request, webhook_id: UUID, principal: Annotated[Principal, KEEPER]) -> Response:
    """Its log goes with it."""
    async with web(request).database.rows(principal) as rows:
        if not await store(request, rows, principal).remove(webhook_id):
            raise not_found()
    return Response(status_code=204)


@router.get("/webhooks/{webhook_id}/secret", operation_id="getWebhookSecret", summary="The secret that signs")
async def get_secret(request: Request, webhook_id: UUID, principal: Annotated[Principal, KEEPER]) -> WebhookSecret:
    """The newest one."""
    async with web(request).database.rows(principal) as rows:
        secret = await store(request, rows, principal).secret(webhook_id)
    if secret is None:
        raise not_found()
    return WebhookSecret(secret=secret)


@router.post(
    "/webhooks/{webhook_id}/secret",
    operation_id="changeWebhookSecret",
    response_model=WebhookOut,
    summary="Another secret",
)
async def change_secret(
    request: Request, webhook_id: UUID, principal: Annotated[Principal, KEEPER], idempotency_key: IdempotencyKey = None
) -> Response:
    """The one before signs beside it until `former_secret_until`: change yours in between."""

    async def act(_: str) -> tuple[int, WebhookOut]:
        async with web(request).database.rows(principal) as rows:
            those = store(request, rows, principal)
            await those.change_secret((await found(those, webhook_id)).webhook_id)
            return 200, out(await found(those, webhook_id))

    return await once(request, principal, idempotency_key, act)


@router.post(
    "/webhooks/{webhook_id}/on", operation_id="switchOnWebhook", response_model=WebhookOut, summary="Post events again"
)
async def switch_on(
    request: Request, webhook_id: UUID, principal: Annotated[Principal, KEEPER], idempotency_key: IdempotencyKey = None
) -> Response:
    """What has waited is posted first, in order."""
    return await _switch(request, webhook_id, principal, idempotency_key, on=True)


@router.post(
    "/webhooks/{webhook_id}/off", operation_id="switchOffWebhook", response_model=WebhookOut, summary="Let events wait"
)
async def switch_off(
    request: Request, webhook_id: UUID, principal: Annotated[Principal, KEEPER], idempotency_key: IdempotencyKey = None
) -> Response:
    """Until it is switched on."""
    return await _switch(request, webhook_id, principal, idempotency_key, on=False)


async def _switch(request: Request, webhook_id: UUID, principal: Principal, key: str | None, *, on: bool) -> Response:
    async def act(_: str) -> tuple[int, WebhookOut]:
        async with web(request).database.rows(principal) as rows:
            those = store(request, rows, principal)
            await those.switch((await found(those, webhook_id)).webhook_id, on)
            return 200, out(await found(those, webhook_id))

    return await once(request, principal, key, act)


@router.get("/webhooks/{webhook_id}/deliveries", operation_id="listDeliveredEvents", summary="What was posted")
async def list_deliveries(
    request: Request,
    webhook_id: UUID,
    principal: Annotated[Principal, KEEPER],
    before: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="entries on a page")] = 50,
) -> DeliveryPage:
    """Each event with what was answered, for 90 days."""
    async with web(request).database.rows(principal) as rows:
        those = store(request, rows, principal)
        await found(those, webhook_id)
        entries = await those.log(webhook_id, before, limit + 1)
    shown = entries[:limit]
    return DeliveryPage(
        items=[DeliveryOut(**delivery_fields(each)) for each in shown],
        next=shown[-1].number if len(entries) > limit else None,
    )


@router.get(
    "/webhooks/{webhook_id}/deliveries/{number}", operation_id="getDeliveredEvent", summary="One event that was posted"
)
async def get_delivery(
    request: Request, webhook_id: UUID, number: int, principal: Annotated[Principal, KEEPER]
) -> DeliveryDetail:
    """With what is posted."""
    async with web(request).database.rows(principal) as rows:
        return await detail(store(request, rows, principal), webhook_id, number)


@router.post(
    "/webhooks/{webhook_id}/deliveries/{number}/again",
    operation_id="postEventAgain",
    status_code=202,
    response_model=DeliveryOut,
    summary="Post an event again",
)
async def post_again(
    request: Request,
    webhook_id: UUID,
    number: int,
    principal: Annotated[Principal, KEEPER],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Post it under the same `webhook-id`, whatever became of it."""

    async def act(_: str) -> tuple[int, DeliveryOut]:
        async with web(request).database.rows(principal) as rows:
            those = store(request, rows, principal)
            delivery = await entry(those, webhook_id, number)
            await those.again(webhook_id, number)
            return 202, DeliveryOut(**delivery_fields(delivery)).model_copy(update={"status": "due"})

    return await once(request, principal, idempotency_key, act)


@router.post(
    "/webhooks/{webhook_id}/replay",
    operation_id="replayWebhook",
    status_code=202,
    response_model=WebhookOut,
    summary="Post everything from a place on again",
)
async def replay(
    request: Request,
    webhook_id: UUID,
    principal: Annotated[Principal, KEEPER],
    body: Replay,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Post in order, each event under the same `webhook-id` as before; also what was before the webhook was made."""

    async def act(_: str) -> tuple[int, WebhookOut]:
        async with web(request).database.rows(principal) as rows:
            those = store(request, rows, principal)
            webhook = await found(those, webhook_id)
            try:
                await read_page(rows, principal, body.after, 1)
            except CursorGone:
                raise gone() from None
            if body.after != "end":
                await those.replay(webhook_id, number_of(body.after))
            return 202, out(webhook)

    return await once(request, principal, idempotency_key, act)


def delivery_fields(each: Any) -> dict[str, Any]:
    """The fields of a delivery as it is answered."""
    fields = {name: getattr(each, name) for name in DeliveryOut.model_fields}
    return fields | {"next_at": each.next_at if each.status == "due" else None}


async def entry(those: Webhooks, webhook_id: UUID, number: int) -> LoggedDelivery:
    """One delivery of the log. Raises 404."""
    await found(those, webhook_id)
    entries = await those.log(webhook_id, number + 1, 1) if 0 < number < 2**62 else []
    if not entries or entries[0].number != number:
        raise not_found()
    return entries[0]


async def detail(those: Webhooks, webhook_id: UUID, number: int) -> DeliveryDetail:
    """One delivery with what is posted. Raises 404."""
    delivery = await entry(those, webhook_id, number)
    payload = await those.payload(number)
    name = "" if payload is None else message_id(payload)
    return DeliveryDetail(**delivery_fields(delivery), message_id=name, payload=payload)
