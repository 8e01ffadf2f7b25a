"""A distributor's word: ready to pay, or not (L17). The same record on the same topic as with its own Kafka client."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.web.authorization import allowed
from postavka.web.idempotency import IdempotencyKey, id_from, once
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.problem import not_found, problem
from postavka.web.state import web
from services.cabinet import acts
from services.cabinet.api.bodies import Answer, Answers
from services.cabinet.api.models import Accepted, AnswerResult, AnswerResults, RequestPage
from services.cabinet.api.requests import After, Size, page_out
from services.cabinet.requests import Requests

router = APIRouter(tags=["confirmations"])
ANSWERER = allowed(Role.DISTRIBUTOR, scope=Scope.CONFIRM)

MESSAGES: dict[acts.Result, str] = {
    "accepted": "Ответ отправлен.",
    "not-found": "Такой заявки нет.",
    "not-waiting": "Заявка не ждёт ответа: на неё уже ответили, её отозвали или выполнили.",
}


@router.get("/confirmations/waiting", operation_id="listWaiting", summary="Requests that wait for your word")
async def list_waiting(
    request: Request,
    principal: Annotated[Principal, allowed(Role.DISTRIBUTOR, scope=Scope.READ)],
    after: After = None,
    limit: Size = 50,
) -> RequestPage:
    """Approved requests that name you and that you have not answered."""
    async with web(request).database.rows(principal) as rows:
        return page_out(await Requests(rows, principal).waiting(after, limit), principal)


@router.post(
    "/requests/{request_id}/confirmation",
    operation_id="answerRequest",
    status_code=202,
    response_model=Accepted,
    summary="Confirm or decline one request",
)
async def answer_request(
    request: Request,
    request_id: UUID,
    principal: Annotated[Principal, ANSWERER],
    body: Answer,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """With `accepted` manufacturing is ordered; without, the request ends."""

    async def act(key: str) -> tuple[int, Accepted]:
        confirmation_id = str(id_from(principal, f"answer {request_id}", key))
        result = await acts.answer(web(request), principal, request_id, confirmation_id, body.accepted, body.note)
        if result == "not-found":
            raise not_found()
        if result == "not-waiting":
            raise problem(409, "conflict", MESSAGES[result])
        return 202, Accepted(request_id=request_id, message=MESSAGES[result])

    return await once(request, principal, idempotency_key, act)


@router.post(
    "/confirmations",
    operation_id="answerRequests",
    status_code=200,
    response_model=AnswerResults,
    summary="Confirm or decline many requests",
)
async def answer_requests(
    request: Request, principal: Annotated[Principal, ANSWERER], body: Answers, idempotency_key: IdempotencyKey = None
) -> Response:
    """One result for each, in the same order; one that can't be taken doesn't stop the others."""

    async def act(key: str) -> tuple[int, AnswerResults]:
        results = []
        for each in body.answers:
            confirmation_id = str(id_from(principal, f"answer {each.request_id}", key))
            result = await acts.answer(
                web(request), principal, each.request_id, confirmation_id, each.accepted, each.note
            )
            results.append(AnswerResult(request_id=each.request_id, result=result, message=MESSAGES[result]))
        return 200, AnswerResults(results=results)

    return await once(request, principal, idempotency_key, act)
