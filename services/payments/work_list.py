"""The work list of operations: money that counts for nothing, with the invoices it may be for; and refunds to be
paid."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL

from events.commands import is_parked_credit, match_order
from postavka.domain import invoice_numbers
from postavka.kernel.id_beginning import one_of
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from services.payments.projection import SCHEMA
from services.payments.queue_filters import EVERYTHING, QueueColumns, QueueFilters

QUERIES = load_queries("services.payments")

Row = dict[str, Any]

MOST_CANDIDATES = 5
PAGE = 200
"""Rows of a queue that a page shows, the oldest."""

OF_PAYMENTS = QueueColumns(
    SQL("concat_ws(' ', payer_name, payer_inn, purpose, number, payment_id)"), SQL("left_over"), SQL("received_on")
)
OF_RETURNS = QueueColumns(
    SQL("concat_ws(' ', payee_name, payee_inn, purpose, number, return_id)"), SQL("amount"), SQL("paid_on")
)
OF_DOCUMENTS = QueueColumns(
    SQL("concat_ws(' ', statement_name, kind, body, id)"),
    SQL("amount"),
    SQL("(seen_at AT TIME ZONE 'Europe/Moscow')::date"),
)
OF_OWED = QueueColumns(SQL("concat_ws(' ', payee_name, payee_inn, purpose)"), SQL("amount"))
OF_DEBTS = QueueColumns(SQL("concat_ws(' ', i.number, s.partner_name, i.payer_inn)"), SQL("i.due"))


def connect(conninfo: str) -> psycopg.Connection[Row]:
    """A connection that reads the books."""
    return open_session(conninfo, {"search_path": f"{SCHEMA},public"}, row_factory=dict_row)


def unmatched_payments(
    connection: psycopg.Connection[Row], limit: int = PAGE, only: QueueFilters = EVERYTHING
) -> list[Row]:
    """Oldest first, each with `candidates`, and with the one that is `chosen` beforehand, if there is one."""
    rows = payments_alone(connection, limit, only)
    for row in rows:
        row["candidates"] = candidates(connection, row)
        row["chosen"] = chosen(row["candidates"])
    return rows


def payments_alone(connection: psycopg.Connection[Row], limit: int, only: QueueFilters) -> list[Row]:
    """The unmatched payments without the invoices that they may be for."""
    return _narrowed(connection, QUERIES.unmatched_payments, OF_PAYMENTS, limit, only)


def unmatched_payment(connection: psycopg.Connection[Row], payment_id: str) -> Row | None:
    """One of them; None when it does not wait (any more)."""
    return connection.execute(QUERIES.unmatched_payment, (payment_id,)).fetchone()


def unmatched_return(connection: psycopg.Connection[Row], return_id: str) -> Row | None:
    """One return that nobody has explained; None when it does not wait (any more)."""
    return connection.execute(QUERIES.unmatched_return, (return_id,)).fetchone()


def waiting_document(connection: psycopg.Connection[Row], document: str) -> Row | None:
    """One odd document; None when it does not wait (any more)."""
    return connection.execute(QUERIES.waiting_document, (document,)).fetchone()


def whole_id(connection: psycopg.Connection[Row], typed: str) -> str:
    """The id of a payment, return or odd document that begins so; as it was typed where none is known here. Raises
    `UserError` for several."""
    found = [row["id"] for row in connection.execute(QUERIES.ids_beginning, {"begun": typed})]
    return one_of("payment", typed, found) if found else typed


def overpaid(connection: psycopg.Connection[Row], invoice: str) -> Row | None:
    """What came above an invoice and nobody has decided about; None: nothing."""
    return connection.execute(QUERIES.overpaid, (invoice,)).fetchone()


def invoice(connection: psycopg.Connection[Row], number: str) -> Row | None:
    """An invoice as the books have it, with its partner's name; None: there is none."""
    return connection.execute(QUERIES.invoice, (number,)).fetchone()


def candidates(connection: psycopg.Connection[Row], payment: Row) -> list[Row]:
    """Open invoices that an unmatched payment may be for, the likeliest first: those that its purpose names, of its
    payer, with exactly its sum due. A suggestion: a person decides."""
    return connection.execute(
        QUERIES.candidates,
        {
            "named": list(invoice_numbers.find_all(payment["purpose"])),
            "inn": payment["payer_inn"],
            "left": payment["left_over"],
            "limit": MOST_CANDIDATES,
        },
    ).fetchall()


def chosen(candidates: list[Row]) -> str | None:
    """The invoice to choose beforehand: the only one that the purpose names, else the payer's only one of that sum.
    With any other a click would put the money to a wrong invoice."""
    for fits in (("same_number",), ("same_payer", "same_sum")):
        found = [each["number"] for each in candidates if all(each[how] for how in fits)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def unmatched_returns(
    connection: psycopg.Connection[Row], limit: int = PAGE, only: QueueFilters = EVERYTHING
) -> list[Row]:
    """Money that went back, nobody has said for what; oldest first."""
    return _narrowed(connection, QUERIES.unmatched_returns, OF_RETURNS, limit, only)


def waiting_documents(
    connection: psycopg.Connection[Row], limit: int = PAGE, only: QueueFilters = EVERYTHING
) -> list[Row]:
    """Odd documents of statements, oldest first. One with a `message` can be read in full: a word books it."""
    return _narrowed(connection, QUERIES.waiting_documents, OF_DOCUMENTS, limit, only)


def to_return(connection: psycopg.Connection[Row], limit: int = PAGE, only: QueueFilters = EVERYTHING) -> list[Row]:
    """What is owed back, each with the purpose to write in the payment order. `cause`: its return is `ordered`, or it
    was `overpaid` and nobody has decided about it yet."""
    return _narrowed(connection, QUERIES.to_return, OF_OWED, limit, only)


def overpayments(connection: psycopg.Connection[Row], owed: list[Row]) -> list[Row]:
    """What of `to_return` nobody has decided about: each with `candidates`, the partner's open invoices that it may be
    credited to, and with the one that is `chosen` beforehand, if it alone has that very sum due."""
    found = [row for row in owed if row["cause"] == "overpaid"]
    for row in found:
        about = {"invoice": row["invoice"], "amount": row["amount"], "limit": MOST_CANDIDATES}
        row["candidates"] = connection.execute(QUERIES.credit_targets, about).fetchall()
        fitting = [each["number"] for each in row["candidates"] if each["same_sum"]]
        row["chosen"] = fitting[0] if len(fitting) == 1 else None
    return found


def debts(connection: psycopg.Connection[Row], limit: int = PAGE, only: QueueFilters = EVERYTHING) -> list[Row]:
    """Invoices that were paid, opened the gate, and are not paid any more."""
    return _narrowed(connection, QUERIES.debts, OF_DEBTS, limit, only)


def _narrowed(
    connection: psycopg.Connection[Row], query: SQL, columns: QueueColumns, limit: int, only: QueueFilters
) -> list[Row]:
    condition, values = only.conditions(columns)
    return connection.execute(query.format(condition), {**values, "limit": limit}).fetchall()


def outcome_of(connection: psycopg.Connection[Row], order_id: str) -> Row | None:
    """What billing made of an order; None: nothing yet. `code` and `reason` say why it was refused. A credit is done
    when the match behind it is."""
    found = connection.execute(QUERIES.outcome_of, (order_id,)).fetchone()
    if found is None or found["code"] is not None or not is_parked_credit(found["payment_id"] or ""):
        return found
    if order_id == match_order(found["payment_id"]):
        return found
    matched = connection.execute(QUERIES.outcome_of, (match_order(found["payment_id"]),)).fetchone()
    if matched is not None and matched["code"] is not None:
        matched["reason"] += " Деньги сняты с первого счёта и ждут в «Не разнесено»."
    return matched


def statements(connection: psycopg.Connection[Row], limit: int = 50) -> list[Row]:
    """Files that were taken, newest first."""
    return connection.execute(QUERIES.statements, (limit,)).fetchall()


def payment(connection: psycopg.Connection[Row], payment_id: str) -> Row | None:
    """Everything about one payment or return: as reported, as booked, and its parts."""
    row = connection.execute(QUERIES.payment, (payment_id,)).fetchone()
    if row is not None:
        parts = "SELECT * FROM parts WHERE payment_id = %s ORDER BY part"
        row["parts"] = connection.execute(parts, (payment_id,)).fetchall()
    return row
