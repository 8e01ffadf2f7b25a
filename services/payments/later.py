"""What operations decide about money: the question before it, with sums, and what is sent after the seconds to undo."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from events.commands import CreditOverpayment, MatchPayment, MatchReturn, ReturnMoney
from postavka.web.formats import day, money
from postavka.web.identity.principal import Principal
from postavka.web.planned.ask import CommandQuestion, ReasonField
from postavka.web.planned.kinds import CommandKind, CommandOutcome, Fields
from postavka.web.problem import problem
from postavka.web.state import Web
from services.payments.loader import Loader
from services.payments.settings import payments_settings
from services.payments.work_list import Row

ORDERS = {each.TYPE: each for each in (MatchPayment, ReturnMoney, MatchReturn, CreditOverpayment)}
BASIS = ReasonField("note", "Основание")


def question_of_match(order: MatchPayment, payment: Row, invoice: Row | None) -> CommandQuestion:
    """A payment, or a part of it, is put to an invoice; `invoice` None: there is none of that number."""
    amount = order.amount or payment["left_over"]
    points = [f"Плательщик: {_party(payment['payer_name'], payment['payer_inn'])}; {_purpose(payment)}."]
    if invoice is None:
        points.append("Такого счёта нет: распоряжение будет отклонено.")
    else:
        if order.amount is None and invoice["due"] > 0:
            amount = min(amount, invoice["due"])
        whose = _party(invoice["partner_name"], invoice["payer_inn"])
        points.append(f"Счёт {invoice['number']} от {day(invoice['issued_on'])}: {whose}. {_left(invoice, amount)}")
        if invoice["payer_inn"] != payment["payer_inn"]:
            points.append("Внимание: платил не тот, кому выставлен счёт.")
    if amount < payment["left_over"]:
        points.append(f"Из платежа останется {money(payment['left_over'] - amount)}.")
    return CommandQuestion(f"Зачесть {money(amount)} по счёту {order.invoice_number}", "Зачесть", points, BASIS)


def question_of_credit(order: CreditOverpayment, overpaid: Row, source: Row, target: Row | None) -> CommandQuestion:
    """What came above the invoice `source`, or a part of it, is put to the invoice `target`; None: there is none of
    that number."""
    amount = order.amount or overpaid["amount"]
    points = [f"Партнёр: {_party(overpaid['payee_name'], overpaid['payee_inn'])}."]
    if target is None:
        points.append("Такого счёта нет: распоряжение будет отклонено.")
    else:
        if order.amount is None and target["due"] > 0:
            amount = min(amount, target["due"])
        points.append(f"Счёт {target['number']} от {day(target['issued_on'])}. {_left(target, amount)}")
        if target["payer_id"] != source["payer_id"]:
            points.append(f"Внимание: это счёт другого партнёра ({target['partner_name'] or '—'}), так зачесть нельзя.")
    if amount < overpaid["amount"]:
        points.append(f"Из переплаты останется {money(overpaid['amount'] - amount)}.")
    title = f"Зачесть {money(amount)} переплаты по счёту {order.invoice_number} в оплату счёта {order.to_invoice}"
    return CommandQuestion(title, "Зачесть", points, BASIS)


def question_of_return(whose: str, amount: Decimal) -> CommandQuestion:
    """Money goes back to its payer."""
    points = ("Деньги уйдут платёжным поручением бухгалтерии; зачесть их по счёту после этого нельзя.",)
    return CommandQuestion(f"Вернуть {money(amount)}: {whose}", "Вернуть", points, BASIS, is_refusal=True)


def question_of_return_match(order: MatchReturn, gone: Row) -> CommandQuestion:
    """Money that has gone back was for this invoice."""
    points = (f"Получатель: {_party(gone['payee_name'], gone['payee_inn'])}; {_purpose(gone)}.",)
    title = f"Считать {money(gone['amount'])} возвратом по счёту {order.invoice_number}"
    return CommandQuestion(title, "Это возврат", points, BASIS)


def question_of_document(document: Row, *, books: bool) -> CommandQuestion:
    """An odd document of a statement is booked as it stands, or taken off the list."""
    amount = "" if document["amount"] is None else f" на {money(document['amount'])}"
    named = f"{document['statement_name'] or 'Выписка'}, строка {document['line']}."
    if books:
        points = (named, "Сверьте с банком: провести можно один раз.")
        return CommandQuestion(f"Провести отдельным платежом документ{amount}", "Провести", points, BASIS)
    points = (named, "Деньги из него не будут учтены.")
    return CommandQuestion(f"Убрать из очереди документ{amount}", "Убрать", points, BASIS, is_refusal=True)


async def _order(parts: Web, _: Principal, fields: Fields) -> CommandOutcome:
    order = ORDERS[fields["type"]].model_validate(fields["order"])
    await parts.commands.settle(fields["subject"], order)
    return CommandOutcome(True, "Распоряжение отправлено.")


async def _document(parts: Web, principal: Principal, fields: Fields) -> CommandOutcome:
    loader = loader_of(parts)
    act = loader.book if fields["books"] else loader.close
    if not await asyncio.to_thread(act, fields["document"], principal.actor, fields["note"]):
        raise problem(409, "conflict", "Этого документа в очереди уже нет.")
    return CommandOutcome(True, "Проведён отдельным платежом." if fields["books"] else "Убран из очереди.")


ORDER = CommandKind("money-order", _order)
DOCUMENT = CommandKind("odd-document", _document)
COMMANDS = (ORDER, DOCUMENT)

_loaders: dict[str, Loader] = {}


def loader_of(parts: Web) -> Loader:
    """One for each application: it keeps a producer."""
    if parts.conninfo not in _loaders:
        _loaders[parts.conninfo] = Loader(parts.kernel, payments_settings().bank_accounts)
    return _loaders[parts.conninfo]


def _left(invoice: Row, amount: Decimal) -> str:
    due = invoice["due"]
    if due == amount:
        return f"К оплате ровно {money(due)}."
    rest = f"останется {money(due - amount)}" if due > amount else f"переплата {money(amount - due)}"
    return f"К оплате {money(due)}, {rest}."


def _party(name: str | None, inn: str | None) -> str:
    return f"{name or '—'}, ИНН {inn or '—'}"


def _purpose(row: Row) -> str:
    return f"назначение «{row['purpose']}»" if row["purpose"] else "без назначения"
