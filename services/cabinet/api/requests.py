"""Requests and sold deliveries (L4-L13, L18, L19)."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError
from starlette.responses import Response, StreamingResponse

from postavka.web.authorization import allowed
from postavka.web.idempotency import IdempotencyKey, id_from, key_of, once
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.problem import FieldError, Problem, problem
from postavka.web.state import web
from services.cabinet import acts
from services.cabinet.api.bodies import ActivationOrder, Withdrawal
from services.cabinet.api.models import (
    Accepted,
    AcceptedActivation,
    NewRequest,
    RequestCopy,
    RequestOut,
    RequestPage,
    Timeline,
    moment_out,
)
from services.cabinet.client_check import ClientInDoubt
from services.cabinet.later import (
    ACTIVATE,
    WITHDRAW,
    plan_for_program,
    planned_for,
    question_of_activation,
    question_of_withdrawal,
)
from services.cabinet.requests import SOLD, Filter, Page, Requests, Status
from services.cabinet.stream import stream

router = APIRouter(tags=["requests"])


def _only_iso(value: object) -> object:
    """pydantic takes numbers for dates as well, as seconds since 1970: nobody means that."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        raise PydanticCustomError("date_parsing", "not a date")
    return value


AT_ONCE = ActivationOrder()
READER = allowed(*Role, scope=Scope.READ)
SENDER = allowed(Role.PARTNER, scope=Scope.SUBMIT)
After = Annotated[str | None, Query(max_length=300, description="`next` of the page before")]
Size = Annotated[int, Query(ge=1, le=200, description="entries on a page")]
Day = Annotated[date, BeforeValidator(_only_iso)]
Search = Annotated[str, Query(max_length=200, description="in names and numbers; every word must be found")]


def page_out(page: Page, principal: Principal) -> RequestPage:
    """A page of requests as the API answers it."""
    return RequestPage(items=[RequestOut.of(row, principal.tenant) for row in page.rows], next=page.next)


@router.get("/requests", operation_id="listRequests", summary="Requests, the newest first")
async def list_requests(
    request: Request,
    principal: Annotated[Principal, READER],
    search: Search = "",
    status: Annotated[list[Status] | None, Query(description="only these; repeat it for several")] = None,
    since: Annotated[Day | None, Query(description="sent on this day (Moscow) or later")] = None,
    until: Annotated[Day | None, Query(description="sent on this day (Moscow) or earlier")] = None,
    after: After = None,
    limit: Size = 50,
) -> RequestPage:
    """A partner sees its own, a distributor the approved ones that name it."""
    wanted = Filter(search, tuple(status or ()), since, until)
    async with web(request).database.rows(principal) as rows:
        return page_out(await Requests(rows, principal).page(wanted, after, limit), principal)


def _in_doubt(doubt: ClientInDoubt, inn: str) -> Problem:
    """What the register says, at each field that it does not agree to."""
    code = "not-in-register" if doubt.checked.company is None else "differs-from-register"
    said = f"{doubt.checked.in_words(inn)} Исправьте или, если всё верно, повторите с client_as_typed: true."
    errors = [FieldError(pointer=f"#/{field}", code=code, detail=said) for field in doubt.checked.fields]
    return problem(422, "invalid", "Клиент не тот, что в ФНС: заявка не отправлена.", errors=errors)


@router.post(
    "/requests", operation_id="submitRequest", status_code=202, response_model=Accepted, summary="Send a request (L11)"
)
async def submit_request(
    request: Request, principal: Annotated[Principal, SENDER], body: NewRequest, idempotency_key: IdempotencyKey = None
) -> Response:
    """Approved or rejected within a second; every shortcoming is named in `reasons` of the request (L13). Client and
    tax register must agree, unless `client_as_typed`; where the register gives no answer the request is taken, and
    checked by us later."""

    async def act(key: str) -> tuple[int, Accepted]:
        request_id = id_from(principal, "submit", key)
        fields = body.fields()
        try:
            await acts.submit(web(request), principal, request_id, fields, as_typed=body.client_as_typed)
        except ClientInDoubt as doubt:
            raise _in_doubt(doubt, body.inn) from None
        return 202, Accepted(request_id=request_id, message="Заявка отправлена.")

    answer = await once(request, principal, idempotency_key, act)
    answer.headers["Location"] = f"/api/v1/requests/{id_from(principal, 'submit', key_of(idempotency_key))}"
    return answer


@router.get("/requests/{request_id}", operation_id="getRequest", summary="One request")
async def get_request(request: Request, request_id: UUID, principal: Annotated[Principal, READER]) -> RequestOut:
    """Also right after it was sent: the call waits until the cabinet has it."""
    return RequestOut.of(await acts.find(web(request), principal, request_id), principal.tenant)


@router.get("/requests/{request_id}/timeline", operation_id="getTimeline", summary="What has happened to a request")
async def get_timeline(request: Request, request_id: UUID, principal: Annotated[Principal, READER]) -> Timeline:
    """With times, who, documents and the letter's clauses."""
    row = await acts.find(web(request), principal, request_id)
    return Timeline(request_id=request_id, moments=[moment_out(each) for each in row.moments(principal.tenant)])


@router.get(
    "/requests/{request_id}/events",
    operation_id="streamRequest",
    summary="Changes of a request as they happen",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": {"type": "string", "format": "binary"}}},
            "description": "Server-sent events `changed`",
        }
    },
)
async def stream_request(
    request: Request,
    request_id: UUID,
    principal: Annotated[Principal, READER],
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> StreamingResponse:
    """The data is `{"status": …, "title": …, "version": …}`; `Last-Event-ID` resumes."""
    return await stream(request, request_id, principal, last_event_id)


@router.get("/requests/{request_id}/copy", operation_id="copyRequest", summary="A request's fields, for a new one")
async def copy_request(
    request: Request, request_id: UUID, principal: Annotated[Principal, allowed(Role.PARTNER, scope=Scope.READ)]
) -> RequestCopy:
    """As they were typed."""
    row = await acts.find(web(request), principal, request_id)
    return RequestCopy(**{name: row.asked.get(name) for name in RequestCopy.model_fields})


@router.post(
    "/requests/{request_id}/withdrawal",
    operation_id="withdrawRequest",
    status_code=202,
    response_model=Accepted,
    summary="Take a request back",
)
async def withdraw_request(
    request: Request,
    request_id: UUID,
    principal: Annotated[Principal, SENDER],
    body: Withdrawal,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Possible until manufacturing is ordered."""

    async def act(key: str) -> tuple[int, Accepted]:
        if body.not_before is not None and body.is_later:
            row = await acts.find(web(request), principal, request_id)
            if not row.can_withdraw:
                raise problem(409, "conflict", f"Отозвать нельзя. Заявка сейчас: {row.status_title}.")
            plan_id = id_from(principal, f"plan withdrawal {request_id}", key)
            await plan_for_program(
                web(request), principal, WITHDRAW, question_of_withdrawal(row).title,
                {"request_id": str(request_id), "reason": body.reason}, [request_id],
                plan_id=plan_id, not_before=body.not_before,
            )  # fmt: skip
            return 202, Accepted(request_id=request_id, message=planned_for(body.not_before), plan_id=plan_id)
        await acts.withdraw(web(request), principal, request_id, body.reason)
        return 202, Accepted(request_id=request_id, message="Отзыв отправлен.")

    return await once(request, principal, idempotency_key, act)


@router.post(
    "/requests/{request_id}/activation",
    operation_id="activateDelivery",
    status_code=202,
    response_model=AcceptedActivation,
    summary="Activate a sold delivery for its user (L19)",
)
async def activate_delivery(
    request: Request,
    request_id: UUID,
    principal: Annotated[Principal, SENDER],
    body: ActivationOrder = AT_ONCE,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Registration number and 1C:ITS contract are looked at here (L2). A refusal can be tried again with a new key."""

    async def act(key: str) -> tuple[int, AcceptedActivation]:
        activation_id = str(id_from(principal, f"activate {request_id}", key))
        if body.not_before is not None and body.is_later:
            row = await acts.find(web(request), principal, request_id)
            if row.status != "shipped":
                raise problem(409, "conflict", f"Активировать нельзя. Заявка сейчас: {row.status_title}.")
            plan_id = id_from(principal, f"plan activation {request_id}", key)
            await plan_for_program(
                web(request), principal, ACTIVATE, question_of_activation(row).title,
                {"request_id": str(request_id), "activation_id": activation_id}, [request_id],
                plan_id=plan_id, not_before=body.not_before,
            )  # fmt: skip
            return 202, AcceptedActivation(
                request_id=request_id, activation_id=activation_id, plan_id=plan_id,
                message=planned_for(body.not_before),
            )  # fmt: skip
        await acts.activate(web(request), principal, request_id, activation_id)
        return 202, AcceptedActivation(
            request_id=request_id, activation_id=activation_id, message="Активация отправлена."
        )

    return await once(request, principal, idempotency_key, act)


@router.get("/deliveries", operation_id="listDeliveries", summary="Sold deliveries with kit and client (L18)")
async def list_deliveries(
    request: Request,
    principal: Annotated[Principal, READER],
    search: Search = "",
    after: After = None,
    limit: Size = 50,
) -> RequestPage:
    """Activated or not."""
    async with web(request).database.rows(principal) as rows:
        found = await Requests(rows, principal).page(Filter(search=search, statuses=SOLD), after, limit)
    return page_out(found, principal)
