"""Many requests in one call: the verdict on each at once, then sent, and asked after as long as somebody likes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from postavka.web.authorization import allowed
from postavka.web.idempotency import IdempotencyKey, id_from, key_of, once
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.planned import store as planned
from postavka.web.problem import not_found
from postavka.web.server_sent import FoundEvents, event_stream
from postavka.web.state import Web, web
from services.cabinet.api.bodies import BulkRequestOrder, BulkRequestRow
from services.cabinet.api.bulk_models import BulkErrorOut, BulkOut, BulkRowOut
from services.cabinet.api.requests import SENDER
from services.cabinet.bulk import store
from services.cabinet.bulk.judging import judge
from services.cabinet.bulk.rows import BulkRow
from services.cabinet.bulk.sending import SEND, question_of
from services.cabinet.bulk.store import Bulk
from services.cabinet.later import plan_for_program
from services.cabinet.requests import Requests
from services.cabinet.view.form import Typed

router = APIRouter(tags=["requests"])
LOOK_SECONDS = 1.0


@router.post(
    "/bulk/requests",
    operation_id="submitRequests",
    status_code=202,
    response_model=BulkOut,
    summary="Send many requests (L11)",
)
async def submit_requests(
    request: Request,
    principal: Annotated[Principal, SENDER],
    body: BulkRequestOrder,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Judged row by row, by the rules of a single request; a row that is wrong doesn't stop the others. Those that are
    `ready` are sent within seconds: ask for the `Location`. Whether the same is asked for already is not looked at."""
    parts = web(request)

    async def act(key: str) -> tuple[int, BulkOut]:
        bulk_id = id_from(principal, "bulk", key)
        rows = [
            _row(number, each, id_from(principal, f"bulk {number}", key)) for number, each in enumerate(body.requests)
        ]
        judged, _ = await judge(parts, principal, rows)
        await store.keep(parts, principal, bulk_id, "", judged)
        bulk = Bulk(bulk_id, "", principal.actor, datetime.now(UTC), judged)
        ready = [each for each in judged if each.is_ready]
        if ready and not body.dry_run:
            await plan_for_program(
                parts, principal, SEND, question_of(bulk).title, {"bulk_id": str(bulk_id)},
                [each.request_id for each in ready], plan_id=bulk_id, not_before=datetime.now(UTC),
            )  # fmt: skip
        return 202, await _out(parts, principal, bulk)

    answer = await once(request, principal, idempotency_key, act)
    answer.headers["Location"] = f"/api/v1/bulk/requests/{id_from(principal, 'bulk', key_of(idempotency_key))}"
    return answer


@router.get("/bulk/requests/{bulk_id}", operation_id="getRequests", summary="What has become of many requests")
async def get_requests(
    request: Request, bulk_id: UUID, principal: Annotated[Principal, allowed(Role.PARTNER, scope=Scope.READ)]
) -> BulkOut:
    """Row by row, as of now. Files from the pages are answered here too."""
    bulk = await store.find(web(request), principal, bulk_id)
    if bulk is None:
        raise not_found()
    return await _out(web(request), principal, bulk)


@router.get(
    "/bulk/requests/{bulk_id}/events",
    operation_id="streamRequests",
    summary="What becomes of many requests, as it happens",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": {"type": "string", "format": "binary"}}},
            "description": "Server-sent events `changed`",
        }
    },
)
async def stream_requests(
    request: Request, bulk_id: UUID, principal: Annotated[Principal, allowed(Role.PARTNER, scope=Scope.READ)]
) -> StreamingResponse:
    """Each event has what `getRequests` answers, whenever that has changed. The stream ends when every request that was
    sent has been decided on, or after an hour."""
    parts = web(request)
    bulk = await store.find(parts, principal, bulk_id)
    if bulk is None:
        raise not_found()
    told, over = b"", False

    async def look() -> FoundEvents | None:
        nonlocal told, over
        found = None if over else await store.find(parts, principal, bulk_id)
        if found is None:
            return None
        out = await _out(parts, principal, found)
        over, said = _is_over(out), out.model_dump_json().encode()
        if said == told:
            return FoundEvents(look_seconds=LOOK_SECONDS)
        told = said
        return FoundEvents((b"event: changed\ndata: " + said + b"\n\n",))

    return event_stream(parts, principal, str(bulk_id), look)


def _is_over(out: BulkOut) -> bool:
    """Nothing more will change: no row waits to be sent, nor for the decision on its request."""
    return out.state != "waiting" and all(
        each.status not in (None, "submitted") for each in out.rows if each.state == "sent"
    )


def _row(number: int, body: BulkRequestRow, request_id: UUID) -> BulkRow:
    given = {name: (value or "").strip() for name, value in body.model_dump(exclude={"client_as_typed"}).items()}
    return BulkRow(
        number, Typed(request_id=str(request_id), **given), as_typed=body.client_as_typed, despite_twins=True
    )


async def _out(parts: Web, principal: Principal, bulk: Bulk) -> BulkOut:
    async with parts.database.rows(principal) as rows:
        there = await Requests(rows, principal).several([each.request_id for each in bulk.rows])
        plan = await planned.one(rows, principal, bulk.bulk_id)
    statuses = {each.request_id: each.status for each in there}
    counts = Counter(each.state for each in bulk.rows)
    return BulkOut(
        bulk_id=bulk.bulk_id,
        state=plan.state if plan else "sent" if counts["sent"] else "checked",
        ready=counts["ready"],
        wrong=counts["wrong"],
        sent=counts["sent"],
        already=counts["already"],
        rows=[
            BulkRowOut(
                row=each.number,
                request_id=each.request_id,
                state=each.state,
                errors=[BulkErrorOut(field=name or None, message=said) for name, said in each.errors.items()],
                status=statuses.get(each.request_id),
            )
            for each in bulk.rows
        ],
    )
