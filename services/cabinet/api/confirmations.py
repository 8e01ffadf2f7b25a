"""A distributor's word: ready to pay, or not (L17). The same record on the same topic as with its own Kafka client."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.web.authorization import allowed
from postavka.web.formats import plural
from postavka.web.idempotency import IdempotencyKey, id_from, once
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.problem import not_found, problem
from postavka.web.state import web
from services.cabinet import acts
from services.cabinet.api.bodies import Answer, Answers, Verdict
from services.cabinet.api.models import Accepted, AnswerResult, AnswerResults, RequestPage
from services.cabinet.api.requests import After, Size, page_out
from services.cabinet.later import ANSWER, plan_for_program, planned_for, question_of_answer
from services.cabinet.requests import Requests, Row

router = APIRouter(tags=["confirmations"])
ANSWERER = allowed(Role.DISTRIBUTOR, scope=Scope.CONFIRM)

MESSAGES: dict[str, str] = {
    "accepted": "Ответ отправлен.",
    "ready": "Ответ можно отправить.",
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
        if body.not_before is not None and body.is_later:
            row = await acts.find(web(request), principal, request_id)
            if not acts.awaits_answer(row):
                raise problem(409, "conflict", MESSAGES["not-waiting"])
            plan_id = id_from(principal, f"plan answer {request_id}", key)
            await _plan(request, principal, body.not_before, plan_id, [(row, confirmation_id, body)])
            return 202, Accepted(request_id=request_id, message=planned_for(body.not_before), plan_id=plan_id)
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
        if body.dry_run:
            return 200, await _dry_run(request, principal, body)
        if body.not_before is not None and body.is_later:
            return 200, await _plan_many(request, principal, body, key)
        results = []
        for each in body.answers:
            confirmation_id = str(id_from(principal, f"answer {each.request_id}", key))
            result = await acts.answer(
                web(request), principal, each.request_id, confirmation_id, each.accepted, each.note
            )
            results.append(AnswerResult(request_id=each.request_id, result=result, message=MESSAGES[result]))
        return 200, AnswerResults(results=results)

    return await once(request, principal, idempotency_key, act)


async def _dry_run(request: Request, principal: Principal, body: Answers) -> AnswerResults:
    found = await _rows(request, principal, body)
    results = []
    for each in body.answers:
        row = found.get(each.request_id)
        result: Literal["ready", "not-found", "not-waiting"]
        result = "not-found" if row is None else "ready" if acts.awaits_answer(row) else "not-waiting"
        results.append(AnswerResult(request_id=each.request_id, result=result, message=MESSAGES[result]))
    return AnswerResults(results=results)


async def _rows(request: Request, principal: Principal, body: Answers) -> dict[UUID, Row]:
    async with web(request).database.rows(principal) as rows:
        found = await Requests(rows, principal).several([each.request_id for each in body.answers])
    return {row.request_id: row for row in found}


async def _plan_many(request: Request, principal: Principal, body: Answers, key: str) -> AnswerResults:
    assert body.not_before is not None  # noqa: S101
    found = await _rows(request, principal, body)
    results, planned = [], []
    for each in body.answers:
        row = found.get(each.request_id)
        result: Literal["planned", "not-found", "not-waiting"]
        result = "not-found" if row is None else "planned" if acts.awaits_answer(row) else "not-waiting"
        message = planned_for(body.not_before) if result == "planned" else MESSAGES[result]
        results.append(AnswerResult(request_id=each.request_id, result=result, message=message))
        if row is not None and result == "planned":
            planned.append((row, str(id_from(principal, f"answer {each.request_id}", key)), each))
    plan_id = id_from(principal, "plan answers", key) if planned else None
    if plan_id is not None:
        await _plan(request, principal, body.not_before, plan_id, planned)
    return AnswerResults(results=results, plan_id=plan_id)


async def _plan(
    request: Request,
    principal: Principal,
    not_before: datetime,
    plan_id: UUID,
    answers: Sequence[tuple[Row, str, Verdict]],
) -> None:
    said = [
        {"request_id": str(row.request_id), "confirmation_id": own, "accepted": each.accepted, "note": each.note}
        for row, own, each in answers
    ]
    verdicts = {each.accepted for _, _, each in answers}
    rows = [row for row, _, _ in answers]
    title = (
        question_of_answer(rows, verdicts == {True}, 0).title
        if len(verdicts) == 1
        else f"Ответить по {plural(len(rows), 'заявке', 'заявкам', 'заявкам')}"
    )
    await plan_for_program(
        web(request), principal, ANSWER, title, {"answers": said}, [row.request_id for row in rows],
        plan_id=plan_id, not_before=not_before,
    )  # fmt: skip
