"""The ledger, from events to rows of its tables: what each event writes into which table. Pure.

A row is a dictionary of the columns that an event knows; what it leaves out stays as it is. So each event touches its
own columns, and events of different topics may come in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from events import approval, billing, commands, shipping
from services.payments.tables import FIRST_STANDS, TABLES

Fields = dict[str, Any]
Row = dict[str, Any]

MOSCOW = ZoneInfo("Europe/Moscow")


@dataclass(slots=True)
class LedgerRows:
    """Rows to write, by table and key; later columns of a row replace earlier ones."""

    rows: dict[str, dict[tuple[Any, ...], Row]] = field(default_factory=dict)

    def put(self, table: str, row: Row) -> None:
        """Add to a row. Columns without a value are left out."""
        keys, _ = TABLES[table]
        known = self.rows.setdefault(table, {}).setdefault(tuple(row[key] for key in keys), {})
        for column, value in row.items():
            if value is not None and not (table in FIRST_STANDS and column in known):
                known[column] = value

    def take(self, type_name: str, fields: Fields, subject: str, time: str, trace: str | None = None) -> bool:
        """Write down one event or command; False if it says nothing that the books keep. `time` is RFC 3339."""
        entry = ENTRIES.get(type_name)
        if entry is None:
            return False
        entry(self, fields, subject, time)
        return True


def day_of(time: str) -> str:
    """The day in Moscow of a moment."""
    return datetime.fromisoformat(time).astimezone(MOSCOW).date().isoformat()


def _payment_reported(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _reported(entries, fields, fields["payment_id"], True, fields["received_on"], fields["payer_inn"])


def _return_reported(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _reported(entries, fields, fields["return_id"], False, fields["paid_on"], fields["payee_inn"])


def _reported(entries: LedgerRows, fields: Fields, identifier: str, incoming: bool, moved_on: str, inn: str) -> None:
    document = fields.get("document") or {}
    entries.put(
        "reported",
        {
            "id": identifier,
            "incoming": incoming,
            "amount": fields["amount"],
            "moved_on": moved_on,
            "other_inn": inn,
            "purpose": fields["purpose"],
            **{name: document.get(name) for name in ("number", "issued_on", "other_name", "other_account")},
            **{name: document.get(name) for name in ("our_account", "statement")},
        },
    )


def _approved(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    partner, distributor, product = fields["partner"], fields["distributor"] or {}, fields["product"]
    entries.put(
        "sales",
        {
            "request_id": subject,
            "channel": fields["channel"],
            **{f"partner_{name}": partner.get(name) for name in ("id", "name", "inn", "kpp")},
            **{f"distributor_{name}": distributor.get(name) for name in ("id", "name", "inn", "kpp")},
            "product": product["name"],
            "client": fields["client"]["name"],
            "amount": product["price"],
            "vat_rate": product["vat_rate"],
            "approved_on": day_of(time),
        },
    )


def _sale(entries: LedgerRows, subject: str, **columns: Any) -> None:
    entries.put("sales", {"request_id": subject, **columns})


def _confirmed(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _sale(entries, subject, confirmed_on=day_of(time))


def _declined(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _sale(entries, subject, declined_on=day_of(time))


def _invoiced(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    copied: Row = {
        name: fields[name] for name in ("number", "issued_on", "amount", "vat_rate", "payer_id", "payer_inn")
    }
    unpaid: Row = {"paid": "0.00", "due": fields["amount"], "overpaid": "0.00", "owed": "0.00"}
    entries.put("invoices", {**copied, "request_id": subject, **unpaid, "is_debt": False})


def _closed(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _sale(entries, subject, closed_on=day_of(time), closed=fields["reason"])


def _standing(entries: LedgerRows, fields: Fields, subject: str, **more: Any) -> None:
    copied: Row = {name: fields[name] for name in ("paid", "due", "overpaid", "owed") if name in fields}
    entries.put("invoices", {"number": fields["invoice_number"], "request_id": subject, **copied, **more})


def _booked(entries: LedgerRows, fields: Fields, subject: str, time: str, effect: str) -> None:
    incoming = "return_id" not in fields
    moved_on = fields.get("received_on") or fields.get("paid_on") or fields.get("returned_on")
    reason = fields.get("reason") or {}
    entries.put(
        "booked",
        {
            "id": fields["payment_id"] if incoming else fields["return_id"],
            "incoming": incoming,
            "amount": fields["amount"],
            "moved_on": moved_on,
            "other_inn": fields["payer_inn"] if incoming else fields["payee_inn"],
            "place": subject,
            "invoice": fields.get("invoice_number"),
            "payment_id": None if incoming else fields.get("payment_id"),
            "purpose": fields.get("purpose"),
            "reason_code": reason.get("code"),
            "reason": reason.get("message"),
            "effect": effect,
            "booked_at": time,
        },
    )


def _received(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _booked(entries, fields, subject, time, "received")
    settled = {"is_debt": False} if fields["due"] == "0.00" else {}
    _standing(entries, fields, subject, **settled)


def _unmatched(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _booked(entries, fields, subject, time, "unmatched")


def _matched(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _part(entries, fields, time, fields["invoice_number"])


def _return_ordered(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _part(entries, fields, time, None)


def _order(entries: LedgerRows, fields: Fields, time: str, order_id: str) -> None:
    """An order by hand that was carried out, or (with a reason) refused."""
    if fields["ordered_by"] is None:
        return
    names = ("payment_id", "return_id", "amount", "ordered_by", "note")
    reason = fields.get("reason") or {}
    entries.put(
        "orders",
        {
            "order_id": order_id,
            **{name: fields.get(name) for name in names},
            "invoice": fields.get("invoice_number"),
            "code": reason.get("code"),
            "reason": reason.get("message"),
            "at": time,
        },
    )


def _part(entries: LedgerRows, fields: Fields, time: str, invoice: str | None) -> None:
    _order(entries, fields, time, fields["order_id"])
    copied = {name: fields[name] for name in ("payment_id", "part", "amount", "ordered_by", "note")}
    entries.put("parts", {**copied, "invoice": invoice, "at": time})


def _reversed(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _booked(entries, fields, subject, time, "reversal")
    _standing(entries, fields, subject, is_debt=fields["is_debt"])


def _refund_owed(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _order(entries, fields, time, fields["refund_id"])
    copied = {name: fields[name] for name in ("refund_id", "amount", "cause", "ordered_by", "note")}
    entries.put("refunds", {**copied, "invoice": fields["invoice_number"], "at": time})
    entries.put("invoices", {"number": fields["invoice_number"], "request_id": subject, "owed": fields["owed"]})


def _credited(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    """What came above one invoice is on its way to another: a movement of both, and no money of the bank's."""
    _order(entries, {**fields, "invoice_number": fields["to_invoice"]}, time, fields["order_id"])
    entries.put(
        "booked",
        {
            "id": f"{fields['payment_id']}-off",
            "incoming": False,
            "amount": fields["amount"],
            "moved_on": fields["credited_on"],
            "other_inn": fields["payer_inn"],
            "place": subject,
            "invoice": fields["invoice_number"],
            "payment_id": fields["payment_id"],
            "effect": "credited",
            "booked_at": time,
        },
    )
    _standing(entries, fields, subject)


def _refund_paid(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _booked(entries, fields, subject, time, "refund")
    _standing(entries, fields, subject)


def _return_paid(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _booked(entries, fields, subject, time, "return")


def _ordered_or_refused(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _order(entries, fields, time, fields["order_id"])


def _shipping_closed(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _sale(entries, subject, closed_on=day_of(time), closed=fields["reason"])


def _ordered(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _sale(entries, subject, ordered_on=day_of(time))


def _shipped(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    _sale(entries, subject, shipped_on=fields["shipped_on"], kit=fields["kit"]["number"])


def _document_issued(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
    copied = {name: fields[name] for name in ("document_id", "kind", "number", "issued_on", "recipient_id")}
    entries.put("documents", {"request_id": subject, **copied})


def _document(column: str) -> Callable[[LedgerRows, Fields, str, str], None]:
    def note(entries: LedgerRows, fields: Fields, subject: str, time: str) -> None:
        row = {"request_id": subject, "document_id": fields["document_id"], column: day_of(time)}
        entries.put("documents", row)

    return note


ENTRIES: dict[str, Callable[[LedgerRows, Fields, str, str], None]] = {
    commands.BankPayment.TYPE: _payment_reported,
    commands.BankReturn.TYPE: _return_reported,
    approval.Approved.TYPE: _approved,
    billing.InvoiceIssued.TYPE: _invoiced,
    billing.BillingClosed.TYPE: _closed,
    billing.DistributorConfirmed.TYPE: _confirmed,
    billing.DistributorDeclined.TYPE: _declined,
    billing.PaymentReceived.TYPE: _received,
    billing.PaymentUnmatched.TYPE: _unmatched,
    billing.PaymentMatched.TYPE: _matched,
    billing.PaymentReturned.TYPE: _reversed,
    billing.RefundOwed.TYPE: _refund_owed,
    billing.RefundPaid.TYPE: _refund_paid,
    billing.OverpaymentCredited.TYPE: _credited,
    billing.ReturnOrdered.TYPE: _return_ordered,
    billing.ReturnPaid.TYPE: _return_paid,
    billing.ReturnUnmatched.TYPE: _unmatched,
    billing.ReturnMatched.TYPE: _ordered_or_refused,
    billing.SettlementRefused.TYPE: _ordered_or_refused,
    shipping.ShippingClosed.TYPE: _shipping_closed,
    shipping.ManufacturingOrdered.TYPE: _ordered,
    shipping.ShipmentIssued.TYPE: _shipped,
    shipping.DocumentIssued.TYPE: _document_issued,
    shipping.DocumentDispatched.TYPE: _document("dispatched_on"),
    shipping.DocumentSigned.TYPE: _document("signed_on"),
    shipping.DocumentDeclined.TYPE: _document("declined_on"),
}
