"""Pages of operations about money: the queue, refunds and debts, statements, the month. Orders are forms.

Reading is for operations and auditors; whatever changes something is for operations alone. An order's id is made with
the form, so that a double click is one order; the page then shows what billing has made of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
from fastapi import APIRouter, Form, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from events.commands import CreditOverpayment, MatchPayment, MatchReturn, ReturnMoney
from postavka.domain import invoice_numbers
from postavka.domain.calendar import today
from postavka.domain.vendor import vendor
from postavka.web.attachment import attachment
from postavka.web.authorization import allowed
from postavka.web.frame import show
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.planned.ask import CommandQuestion, ask_first
from postavka.web.problem import not_found
from postavka.web.spreadsheet.writing import XLSX
from postavka.web.state import web
from postavka.web.upload import uploaded
from postavka.web.visitor import visitor_of
from services.payments import work_list
from services.payments.exports import Ours, pdf, xlsx
from services.payments.later import (
    DOCUMENT,
    ORDER,
    loader_of,
    question_of_credit,
    question_of_document,
    question_of_match,
    question_of_return,
    question_of_return_match,
)
from services.payments.loader import StatementReport
from services.payments.projection import prepare
from services.payments.queue_filters import QueueFilters
from services.payments.reconcile import TITLES, PartyKind, Reconciliation, month_of, reconcile
from services.payments.statement import LARGEST_FILE, BrokenStatement
from services.payments.statement.values import amount_of

router = APIRouter(prefix="/ops/money", include_in_schema=False)
READERS = frozenset((Role.OPS, Role.AUDITOR))
NAVIGATION = (Entry("Деньги", "/ops/money", READERS, 35, "russian-ruble"),)
Reader = Annotated[Principal, allowed(Role.OPS, Role.AUDITOR)]
Ops = Annotated[Principal, allowed(Role.OPS)]

BODY_BYTES = {"/ops/money/statements": LARGEST_FILE + 64 * 1024}
"""Paths that take larger bodies than others: the file, and the form around it."""
PATIENCE_SECONDS = 5.0
"""How long a page waits for billing's answer to an order."""
TABS = (
    ("/ops/money", "Не разнесено"),
    ("/ops/money/refunds", "К возврату и долги"),
    ("/ops/money/statements", "Выписки"),
    ("/ops/money/month", "Сверка"),
)
GONE = "gone"
"""What the queue is told in place of an order's id, where nothing waits any more to be decided."""
NOT_YET = "—"
"""In place of the reason, until the question has it."""
T = TypeVar("T")
Order = TypeVar("Order", MatchPayment, ReturnMoney, MatchReturn, CreditOverpayment)


@cache
def _prepared(conninfo: str) -> str:
    prepare(conninfo)
    return conninfo


async def asked(request: Request, ask: Callable[[psycopg.Connection[work_list.Row]], T]) -> T:
    """What the books say, in a thread."""

    def run() -> T:
        with work_list.connect(_prepared(web(request).conninfo)) as connection:
            return ask(connection)

    return await asyncio.to_thread(run)


@router.get("")
async def waiting(request: Request, principal: Reader, order: str | None = None) -> Response:
    """The page of the queue: what came and counts for nothing, with the invoices it may be for; returns nobody has
    explained; odd documents of statements."""
    outcome = await _outcome(request, order) if order else None
    filters = QueueFilters.of(request.query_params)
    came, gone, odd = await asked(
        request,
        lambda books: (
            work_list.unmatched_payments(books, only=filters),
            work_list.unmatched_returns(books, only=filters),
            work_list.waiting_documents(books, only=filters),
        ),
    )
    visitor_of(request).shown.update(each["request_id"] for row in came for each in row["candidates"])
    return await _shown(
        request,
        principal,
        "money_queue.html",
        payments=came,
        returns=gone,
        documents=odd,
        order=order,
        outcome=outcome,
        fresh=_fresh,
        **_narrowed("/ops/money", filters, came, gone, odd),
    )


@router.get("/refunds")
async def refunds(request: Request, principal: Reader) -> Response:
    """Overpayments to decide about, what has to go back, with the purpose to write, and what is owed to us after the
    gate."""
    filters = QueueFilters.of(request.query_params)
    owed, debts = await asked(
        request, lambda books: (work_list.to_return(books, only=filters), work_list.debts(books, only=filters))
    )
    overpaid = await asked(request, lambda books: work_list.overpayments(books, owed))
    candidates = [each for row in overpaid for each in row["candidates"]]
    rows = (*owed, *debts, *candidates)
    visitor_of(request).shown.update(row["request_id"] for row in rows if row["request_id"] is not None)
    return await _shown(
        request,
        principal,
        "money_refunds.html",
        owed=owed,
        overpaid=overpaid,
        debts=debts,
        fresh=_fresh,
        **_narrowed("/ops/money/refunds", filters, owed, debts),
    )


@router.get("/statements")
async def statements(request: Request, principal: Reader) -> Response:
    """Files that were taken, and the form for another."""
    return await _statements(request, principal)


@router.post("/statements")
async def load(request: Request, principal: Ops) -> Response:
    """Take a statement. A broken one changes nothing, and every mistake is shown with its line.

    The form is read here and not by the framework, which would take a large file from anybody before it asks who it is.
    """
    file = await uploaded(request, "file", LARGEST_FILE)
    if file is None:
        return await _statements(request, principal, broken=["Файл не выбран."], status=422)
    name = file.name[:200]
    try:
        report = await asyncio.to_thread(lambda: loader_of(web(request)).load(file.data, name, "web", principal.actor))
    except BrokenStatement as broken:
        return await _statements(request, principal, broken=str(broken).split("\n"), name=name, status=422)
    return await _statements(request, principal, report=report)


@router.post("/match")
async def match(
    request: Request,
    principal: Ops,
    order_id: Annotated[str, Form(max_length=60)],
    payment_id: Annotated[str, Form(max_length=100)],
    invoice: Annotated[str, Form(max_length=100)] = "",
    candidate: Annotated[str, Form(max_length=100)] = "",
    note: Annotated[str, Form(max_length=500)] = "",
    amount: Annotated[str, Form(max_length=30)] = "",
) -> Response:
    """Put a payment, or a part of it, to an invoice: the one that was typed, or the candidate whose button was pressed.
    Billing decides (L17)."""
    number = candidate or invoice_numbers.canonical(invoice) or invoice.strip()
    about = {"order_id": order_id, "payment_id": payment_id, "invoice_number": number, "ordered_by": principal.actor}
    order = _made(MatchPayment, note, amount, about)
    if order is None:
        return _told("unclear")
    payment, found = await asked(
        request, lambda books: (work_list.unmatched_payment(books, payment_id), work_list.invoice(books, number))
    )
    if payment is None:
        return _told(GONE)
    return await _ask(request, principal, payment_id, order, question_of_match(order, payment, found))


@router.post("/return")
async def give_back(
    request: Request,
    principal: Ops,
    order_id: Annotated[str, Form(max_length=60)],
    note: Annotated[str, Form(max_length=500)] = "",
    payment_id: Annotated[str, Form(max_length=100)] = "",
    invoice: Annotated[str, Form(max_length=100)] = "",
    amount: Annotated[str, Form(max_length=30)] = "",
) -> Response:
    """Send an unmatched payment, or a part of it, back to its payer; without a payment, what came above the invoice."""
    whose = {"payment_id": payment_id} if payment_id else {"invoice_number": invoice or None}
    order = _made(ReturnMoney, note, amount, {"order_id": order_id, "ordered_by": principal.actor, **whose})
    if order is None:
        return _told("unclear")
    if payment_id:
        row = await asked(request, lambda books: work_list.unmatched_payment(books, payment_id))
        names = ("payer_name", "payer_inn", "left_over")
    else:
        row = await asked(request, lambda books: work_list.overpaid(books, invoice))
        names = ("payee_name", "payee_inn", "amount")
    if row is None:
        return _told(GONE)
    name, inn, whole = (row[each] for each in names)
    question = question_of_return(f"{name or '—'}, ИНН {inn or '—'}", order.amount or whole)
    back = "/ops/money" if payment_id else "/ops/money/refunds"
    return await _ask(request, principal, payment_id or invoice, order, question, back)


@router.post("/credit")
async def credit(
    request: Request,
    principal: Ops,
    order_id: Annotated[str, Form(max_length=60)],
    invoice: Annotated[str, Form(max_length=100)],
    to: Annotated[str, Form(max_length=100)] = "",
    candidate: Annotated[str, Form(max_length=100)] = "",
    note: Annotated[str, Form(max_length=500)] = "",
    amount: Annotated[str, Form(max_length=30)] = "",
) -> Response:
    """Put what came above an invoice, or a part of it, to another invoice of the same partner: the one that was typed,
    or the candidate whose button was pressed. Billing decides."""
    number = candidate or invoice_numbers.canonical(to) or to.strip()
    about = {"order_id": order_id, "invoice_number": invoice, "to_invoice": number, "ordered_by": principal.actor}
    order = _made(CreditOverpayment, note, amount, about)
    if order is None:
        return _told("unclear")
    overpaid, source, target = await asked(
        request,
        lambda books: (
            work_list.overpaid(books, invoice),
            work_list.invoice(books, invoice),
            work_list.invoice(books, number),
        ),
    )
    if overpaid is None or source is None:
        return _told(GONE)
    question = question_of_credit(order, overpaid, source, target)
    return await _ask(request, principal, invoice, order, question, "/ops/money/refunds")


@router.post("/match-return")
async def match_return(
    request: Request,
    principal: Ops,
    order_id: Annotated[str, Form(max_length=60)],
    return_id: Annotated[str, Form(max_length=100)],
    invoice: Annotated[str, Form(max_length=100)] = "",
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Say for which invoice money went back."""
    number = invoice_numbers.canonical(invoice) or invoice.strip()
    about = {"order_id": order_id, "return_id": return_id, "invoice_number": number, "ordered_by": principal.actor}
    order = _made(MatchReturn, note, None, about)
    if order is None:
        return _told("unclear")
    gone = await asked(request, lambda books: work_list.unmatched_return(books, return_id))
    if gone is None:
        return _told(GONE)
    return await _ask(request, principal, return_id, order, question_of_return_match(order, gone))


@router.post("/document")
async def odd_document(
    request: Request,
    principal: Ops,
    document: Annotated[str, Form(max_length=60)],
    what: Annotated[Literal["book", "close"], Form()],
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """An odd document of a statement counts as it stands there, or has been dealt with otherwise."""
    waiting = await asked(request, lambda books: work_list.waiting_document(books, document))
    if waiting is None or (what == "book" and not waiting["message"]):
        return _told(GONE)
    return await ask_first(
        request,
        principal,
        question_of_document(waiting, books=what == "book"),
        kind=DOCUMENT.name,
        fields={"document": document, "books": what == "book", "note": note.strip()},
        subjects=[document],
        back="/ops/money",
    )


@router.get("/month")
async def month(request: Request, principal: Reader, month: str | None = None) -> Response:
    """The reconciliation of a month: balances, and what is open."""
    result = await _reconciled(request, month)
    return await _shown(
        request,
        principal,
        "money_month.html",
        result=result,
        month=f"{result.first:%Y-%m}",
        titles=TITLES,
        is_partner=lambda account: account.party.kind is PartyKind.PARTNER,
    )


@router.get("/month.xlsx")
async def month_workbook(request: Request, principal: Reader, month: str | None = None) -> Response:
    """The same as a workbook."""
    result = await _reconciled(request, month)
    data = await asyncio.to_thread(xlsx, result)
    return attachment(data, XLSX, f"sverka-{result.first:%Y-%m}.xlsx")


@router.get("/month.pdf")
async def month_act(
    request: Request,
    principal: Reader,
    month: str | None = None,
    partner: str | None = None,
    distributor: str | None = None,
) -> Response:
    """Акт сверки of one party."""
    if (partner is None) == (distributor is None):
        raise not_found()
    result = await _reconciled(request, month, partner, distributor)
    ours = vendor()
    data = await asyncio.to_thread(pdf, result, Ours(ours.name, ours.inn, ours.kpp))
    return attachment(data, "application/pdf", f"akt-sverki-{result.first:%Y-%m}.pdf")


async def _reconciled(
    request: Request, text: str | None, partner: str | None = None, distributor: str | None = None
) -> Reconciliation:
    try:
        first, last = month_of(text or f"{today():%Y-%m}")
        found = await asked(request, lambda books: reconcile(books, first, last, partner, distributor))
    except ValueError:  # no month, or nobody of that id
        raise not_found() from None
    visitor_of(request).shown.update(each for account in found.accounts for each in account.requests)
    return found


def _made(kind: type[Order], note: str, amount: str | None, about: dict[str, Any]) -> Order | None:
    """The order, its reason perhaps not given yet; None where the fields make none."""
    try:
        sums = {} if amount is None else {"amount": _sum(amount)}
        return kind(**about, **sums, note=note.strip() or NOT_YET)
    except (ValidationError, InvalidOperation):
        return None


async def _ask(
    request: Request,
    principal: Principal,
    subject: str,
    order: MatchPayment | ReturnMoney | MatchReturn | CreditOverpayment,
    question: CommandQuestion,
    back: str = "/ops/money",
) -> Response:
    return await ask_first(
        request,
        principal,
        question,
        kind=ORDER.name,
        fields={"type": order.TYPE, "order": order.model_dump(mode="json"), "subject": subject},
        subjects=[subject],
        back=back,
        result_path=f"/ops/money?{urlencode({'order': order.order_id})}",
    )


def _told(what: str) -> Response:
    return RedirectResponse(f"/ops/money?{urlencode({'order': what})}", 303)


async def _outcome(request: Request, order: str) -> work_list.Row | None:
    """What billing made of an order; waits a little for it."""
    if order == GONE:
        return {"code": GONE, "reason": "Этого в очереди уже нет: решать больше нечего.", "amount": None}
    if order == "unclear":
        return {
            "code": "unclear",
            "reason": "Проверьте номер счёта и сумму: нужно число вида 12500,00.",
            "amount": None,
        }
    for _ in range(int(PATIENCE_SECONDS / 0.25)):
        found = await asked(request, lambda books: work_list.outcome_of(books, order))
        if found is not None:
            return found
        await asyncio.sleep(0.25)
    return None


async def _statements(
    request: Request,
    principal: Principal,
    *,
    report: StatementReport | None = None,
    broken: list[str] | None = None,
    name: str = "",
    status: int = 200,
) -> Response:
    taken = await asked(request, work_list.statements)
    said = list(report.lines()) if report else []
    return await _shown(
        request, principal, "money_statements.html", status, taken=taken, said=said, broken=broken or [], name=name
    )


async def _shown(request: Request, principal: Principal, template: str, status: int = 200, **values: Any) -> Response:
    tabs = [{"href": href, "word": word, "here": request.url.path == href} for href, word in TABS]
    return await show(request, principal, template, status, tabs=tabs, may_act=principal.role is Role.OPS, **values)


def _narrowed(path: str, filters: QueueFilters, *queues: list[work_list.Row]) -> dict[str, Any]:
    """What the page of a queue says of its filters, its files, and where it had to end."""
    query = filters.query()
    return {
        "filters": filters,
        "is_cut": any(len(each) == work_list.PAGE for each in queues),
        "most": work_list.PAGE,
        "export_xlsx": f"{path}/export.xlsx{query}",
        "export_csv": f"{path}/export.csv{query}",
    }


def _fresh() -> str:
    return f"web-{uuid4().hex}"


def _sum(text: str) -> Decimal | None:
    """A sum that a person has typed; None: none was. Raises `InvalidOperation`."""
    if not text.strip():
        return None
    amount = amount_of(text)
    if amount is None:
        raise InvalidOperation
    return amount
