"""A distributor's answers from a file: what waits as a workbook, the verdict on each row, then all in one go (L17)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from postavka.web.authorization import allowed
from postavka.web.formats import money
from postavka.web.frame import show
from postavka.web.identity.principal import Principal, Role
from postavka.web.planned.ask import ask_first
from postavka.web.problem import problem
from postavka.web.spreadsheet.files import saved_workbook, sheet_sent
from postavka.web.spreadsheet.reading import MOST_ROWS, BadSpreadsheet
from postavka.web.state import web
from services.cabinet import acts
from services.cabinet.answer_rows import COLUMNS, AnswerRow, form_sheet, named_in, verdicts
from services.cabinet.api.bodies import Answers, AnswerTo
from services.cabinet.later import ANSWER, answer_of, question_of_answers, sum_of
from services.cabinet.list_order import ListOrder
from services.cabinet.requests import LARGEST_PAGE, Filter, Requests, Row

router = APIRouter(include_in_schema=False)
DISTRIBUTOR = allowed(Role.DISTRIBUTOR)
FORM = "/waiting/file"


@router.get("/waiting/file")
async def file_page(request: Request, principal: Annotated[Principal, DISTRIBUTOR]) -> Response:
    """The way to answer many: take what waits, fill in the answers, send it here."""
    return await _page(request, principal)


@router.get("/waiting/file/form.xlsx")
async def what_waits(request: Request, principal: Annotated[Principal, DISTRIBUTOR]) -> Response:
    """What waits for an answer, the oldest first, to be filled in."""
    waiting: list[Row] = []
    after: str | None = None
    wanted = Filter(statuses=("awaiting-confirmation",), order=ListOrder.OLDEST)
    while len(waiting) < MOST_ROWS:
        async with web(request).database.rows(principal) as rows:
            found = await Requests(rows, principal).page(wanted, after, LARGEST_PAGE)
        waiting += [each for each in found.rows if acts.awaits_answer(each)]
        after = found.next
        if after is None:
            break
    return await saved_workbook("waiting.xlsx", form_sheet(waiting[:MOST_ROWS]))


@router.post("/waiting/file")
async def file_sent(request: Request, principal: Annotated[Principal, DISTRIBUTOR]) -> Response:
    """Read and judge a file; nothing is sent yet."""
    try:
        _, sheet = await sheet_sent(request, COLUMNS)
    except BadSpreadsheet as bad:
        return await _page(request, principal, wrong=str(bad))
    async with web(request).database.rows(principal) as rows:
        found = {each.request_id: each for each in await Requests(rows, principal).several(named_in(sheet))}
    judged = verdicts(sheet, found)
    if not judged:
        return await _page(request, principal, wrong="В столбце «Ответ» ничего нет: напишите «да» или «нет».")
    return await _page(request, principal, judged=judged)


@router.post("/waiting/file/send")
async def send(request: Request, principal: Annotated[Principal, DISTRIBUTOR]) -> Response:
    """Answer what the file has said, after a question that says how many and how much."""
    try:
        body = Answers.model_validate_json(str((await request.form()).get("answers", "")))
    except ValidationError:
        raise problem(422, "invalid", "Проверьте файл ещё раз.") from None
    answers = {each.request_id: each for each in body.answers}
    async with web(request).database.rows(principal) as rows:
        found = await Requests(rows, principal).several(list(answers))
    waiting = [(each, answers[each.request_id]) for each in found if acts.awaits_answer(each)]
    if not waiting:
        return RedirectResponse("/waiting?done=not-waiting", 303)
    yes, no = ([row for row, each in waiting if each.accepted is word] for word in (True, False))
    return await ask_first(
        request,
        principal,
        question_of_answers(yes, no, len(answers) - len(waiting)),
        kind=ANSWER.name,
        fields={"answers": [answer_of(row.request_id, each.accepted, each.note) for row, each in waiting]},
        subjects=[str(row.request_id) for row, _ in waiting],
        back="/waiting",
        result_path="/answered",
    )


async def _page(
    request: Request, principal: Principal, *, wrong: str = "", judged: list[AnswerRow] | None = None
) -> Response:
    judged = judged or []
    good = [(each.row, each) for each in judged if each.row is not None and not each.wrong]
    answers = [
        AnswerTo(request_id=row.request_id, accepted=each.accepted, note=each.note or None) for row, each in good
    ]
    return await show(
        request, principal, "answers_file.html", 422 if wrong else 200,
        wrong=wrong,
        judged=judged,
        answers=Answers(answers=answers).model_dump_json(exclude_none=True) if answers else "",
        ready=len(good),
        total=money(sum_of([row for row, _ in good])),
        most_rows=MOST_ROWS,
        money=money,
    )  # fmt: skip
