"""`postavka payments`: what operations do with money by hand."""

from __future__ import annotations

import getpass
import time
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any
from uuid import uuid4

from cyclopts import App, Parameter
from rich.markup import escape

from events.commands import CreditOverpayment, MatchPayment, MatchReturn, ReturnMoney
from events.topics import PAYMENT_COMMANDS
from postavka.domain import invoice_numbers
from postavka.kernel.cli_options import Json
from postavka.kernel.console import SOURCE, console, print_json, table
from postavka.kernel.errors import CommandRefused, NoAnswer, NotFound
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import Settings, database_url
from postavka.web.formats import day, money
from services.payments import work_list
from services.payments.loader import Loader

payments = App(name="payments", help="Money that the bank has reported: what is unmatched, owed, or in debt.")

PATIENCE_SECONDS = 20
Document = Annotated[str, Parameter(help="Its id, as `postavka payments unmatched` shows it.")]
Why = Annotated[str, Parameter(help="For the record: why.")]
By = Annotated[str | None, Parameter(help="Who decides; the user of this machine if left out.")]
OrderId = Annotated[str | None, Parameter(help="Made here if left out. The same one twice is one order.")]
Wait = Annotated[bool, Parameter(help="Until billing has decided.")]


@payments.command
def unmatched(*, limit: int = 200, json: Json = False) -> None:
    """Show the queue: payments that count for no invoice, with those they may be for; returns nobody has explained; and
    odd documents of statements.

    Parameters
    ----------
    limit
        At most so many of each.
    """
    with work_list.connect(database_url(connected())) as connection:
        came, gone = work_list.unmatched_payments(connection, limit), work_list.unmatched_returns(connection, limit)
        odd = work_list.waiting_documents(connection, limit)
    if json:
        print_json({"payments": came, "returns": gone, "documents": odd})
        return
    if not came and not gone and not odd:
        console.print("nothing waits")
    for row in came:
        console.print(
            f"[bold]{row['payment_id']}[/]  {day(row['received_on'])}  [bold]{money(row['left_over'])}[/]"
            + (f" из {money(row['amount'])}" if row["left_over"] != row["amount"] else "")
            + f"  {escape(row['payer_name'])} ИНН {row['payer_inn']}",
            highlight=False,
        )
        console.print(f"    {escape(row['purpose'])}\n    [yellow]{escape(row['reason'])}[/]", highlight=False)
        for each in row["candidates"]:
            fits = ", ".join(
                word
                for word, holds in (
                    ("номер в назначении", each["same_number"]),
                    ("тот же ИНН", each["same_payer"]),
                    ("та же сумма", each["same_sum"]),
                )
                if holds
            )
            console.print(f"    ? счёт {each['number']}: к оплате {money(each['due'])}, {fits}", highlight=False)
    if came:
        console.print('[dim]postavka payments match PAYMENT INVOICE --why "…", or payments return PAYMENT --why "…"[/]')
    for row in gone:
        console.print(
            f"[bold]{row['return_id']}[/]  {day(row['paid_on'])}  списано {money(row['amount'])}  "
            f"{escape(row['payee_name'])} ИНН {row['payee_inn']}\n    {escape(row['purpose'])}\n    "
            f"[yellow]{escape(row['reason'])}[/]",
            highlight=False,
        )
    if gone:
        console.print('[dim]postavka payments match-return RETURN --invoice INVOICE --why "…"[/]')
    for row in odd:
        amount = "—" if row["amount"] is None else money(row["amount"])
        console.print(
            f"[bold]{row['id']}[/]  {amount}  {escape(row['statement_name'] or row['statement'])}\n    "
            f"[yellow]{escape('; '.join(row['problems']))}[/]",
            highlight=False,
        )
    if odd:
        console.print(
            '[dim]postavka payments close DOCUMENT --why "…" when a corrected statement is loaded'
            ', or payments book DOCUMENT --why "…" if it counts as it stands[/]'
        )


@payments.command
def book(document: Document, *, why: Why, by: By = None) -> None:
    """An odd document of a statement counts as it stands there: it was in doubt, and the bank confirms it."""
    document = _whole(document)
    if not Loader(connected()).book(document, by or user(), why):
        raise NotFound(f"no document {document!r} waits that can be read in full")
    console.print("done")


@payments.command
def close(document: Document, *, why: Why, by: By = None) -> None:
    """An odd document of a statement has been dealt with: it counts for nothing, or a corrected statement is loaded."""
    document = _whole(document)
    if not Loader(connected()).close(document, by or user(), why):
        raise NotFound(f"no document {document!r} waits")
    console.print("done")


@payments.command
def show(payment: str) -> None:
    """Everything about one payment or return, as JSON.

    Parameters
    ----------
    payment
        Its id, like bp-20260305-1f3a9c0b7d2e4f61.
    """
    with work_list.connect(database_url(connected())) as connection:
        row = work_list.payment(connection, work_list.whole_id(connection, payment))
    if row is None:
        raise NotFound(f"no payment or return {payment!r} is known")
    print_json(row)


@payments.command
def refunds(*, json: Json = False) -> None:
    """What has to go back to payers, overpayments included, with the purpose for the payment order; and debts."""
    with work_list.connect(database_url(connected())) as connection:
        owed, debts = work_list.to_return(connection), work_list.debts(connection)
    if json:
        print_json({"to_return": owed, "debts": debts})
        return
    if owed:
        shown = table("К возврату", "кому", "ИНН", "сумма", "почему", "назначение платежа")
        for row in owed:
            why = "переплата, не поручен" if row["cause"] == "overpaid" else "поручен"
            shown.add_row(row["payee_name"], row["payee_inn"], money(row["amount"]), why, row["purpose"])
        console.print(shown)
        if any(row["cause"] == "overpaid" for row in owed):
            console.print(
                '[dim]postavka payments return --invoice INVOICE --why "…" sends an overpayment back, '
                'payments credit INVOICE TO --why "…" puts it to another invoice[/]'
            )
    if debts:
        shown = table("Долг: оплата ушла назад после изготовления", "счёт", "плательщик", "ИНН", "долг")
        for row in debts:
            shown.add_row(row["number"], row["partner_name"], row["payer_inn"], money(row["due"]))
        console.print(shown)
    if not owed and not debts:
        console.print("nothing is owed")


@payments.command
def match(
    payment: str,
    invoice: str,
    *,
    why: Why,
    amount: Decimal | None = None,
    by: By = None,
    order_id: OrderId = None,
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Put an unmatched payment, or a part of it, to an invoice. Billing decides; the gate opens only if nothing is due.

    Parameters
    ----------
    payment
        Id of the payment, as `postavka payments unmatched` shows it.
    invoice
        Number of the invoice; 2026-1 will do for 2026-0000001.
    amount
        Of the part; left out: what is due, or all that is left of the payment if that is less.
    """
    payment = _whole(payment)
    order = MatchPayment(
        order_id=order_id or _new_order(),
        payment_id=payment,
        invoice_number=_invoice(invoice),
        amount=amount,
        ordered_by=by or user(),
        note=why,
    )
    _send(order, payment, wait, json)


@payments.command(name="return")
def return_(
    payment: str | None = None,
    *,
    why: Why,
    invoice: str | None = None,
    amount: Decimal | None = None,
    by: By = None,
    order_id: OrderId = None,
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Send an unmatched payment back to its payer, or with --invoice what came above an invoice.

    The payment order is made by the accountant: `postavka payments refunds` tells the purpose to write. The bank's
    statement then says that it was carried out.

    Parameters
    ----------
    payment
        Id of the payment.
    invoice
        The invoice that was overpaid.
    amount
        Left out: all that can go back.
    """
    payment = None if payment is None else _whole(payment)
    order = ReturnMoney(
        order_id=order_id or _new_order(),
        payment_id=payment,
        invoice_number=None if invoice is None else _invoice(invoice),
        amount=amount,
        ordered_by=by or user(),
        note=why,
    )
    _send(order, payment or order.invoice_number or order.order_id, wait, json)


@payments.command
def credit(
    invoice: str,
    to: str,
    *,
    why: Why,
    amount: Decimal | None = None,
    by: By = None,
    order_id: OrderId = None,
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Put what came above an invoice to another invoice of the same partner.

    Parameters
    ----------
    invoice
        The invoice that was overpaid; 2026-1 will do for 2026-0000001.
    to
        The invoice that the money is for.
    amount
        Left out: all that came above the one, or what is due of the other if that is less.
    """
    order = CreditOverpayment(
        order_id=order_id or _new_order(),
        invoice_number=_invoice(invoice),
        to_invoice=_invoice(to),
        amount=amount,
        ordered_by=by or user(),
        note=why,
    )
    _send(order, order.invoice_number, wait, json)


@payments.command
def match_return(
    gone: Annotated[str, Parameter(name="return", help="Id of the return, like br-20260305-….")],
    *,
    why: Why,
    invoice: str | None = None,
    payment: str | None = None,
    by: By = None,
    order_id: OrderId = None,
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Say what money that went back was for: an invoice, or an unmatched payment.

    Parameters
    ----------
    invoice
        Number of the invoice.
    payment
        Id of the unmatched payment.
    """
    gone, payment = _whole(gone), None if payment is None else _whole(payment)
    order = MatchReturn(
        order_id=order_id or _new_order(),
        return_id=gone,
        invoice_number=None if invoice is None else _invoice(invoice),
        payment_id=payment,
        ordered_by=by or user(),
        note=why,
    )
    _send(order, gone, wait, json)


def _send(
    order: MatchPayment | ReturnMoney | MatchReturn | CreditOverpayment, subject: str, wait: bool, json: bool
) -> None:
    config = connected()
    sender = Sender(config, SOURCE)
    sender.send(PAYMENT_COMMANDS.name, subject, order)
    if isinstance(order, CreditOverpayment):
        sender.send(PAYMENT_COMMANDS.name, subject, order.match)
    sender.flush()
    decided = _await(config, order.order_id) if wait else None
    if json:
        print_json(decided or {"order_id": order.order_id})
        return
    if not wait:
        console.print(f"{order.TYPE} sent as [bold]{order.order_id}[/]")
        return
    if decided is None:
        raise NoAnswer(f"{order.order_id} was sent, but billing has not decided within {PATIENCE_SECONDS} s")
    if decided["code"]:
        raise CommandRefused(f"refused: {decided['reason']}")
    sum_ = f": {money(decided['amount'])}" if decided["amount"] is not None else ""
    console.print(f"done{sum_}", highlight=False)


def _await(config: Settings, order_id: str) -> dict[str, Any] | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with work_list.connect(database_url(config)) as connection:
        while (found := work_list.outcome_of(connection, order_id)) is None and time.monotonic() < deadline:
            time.sleep(0.1)
    return found


def _whole(typed: str) -> str:
    with work_list.connect(database_url(connected())) as connection:
        return work_list.whole_id(connection, typed)


def _invoice(text: str) -> str:
    return invoice_numbers.canonical(text) or text


def _new_order() -> str:
    return f"cli-{uuid4().hex[:16]}"


def user() -> str:
    """Who sits at this machine."""
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return "cli"
