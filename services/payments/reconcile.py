"""Reconciliation of a month: what was delivered and paid, what each partner and distributor owes, and what is open.

A partner is looked at for its direct sales, a distributor for the sales that it has confirmed: what it pays, and when,
is between it and the vendor (L17), so that its account has deliveries only. Everything is as of the month's last day,
whatever has happened since.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
import psycopg

from postavka.domain.wording import document_name
from postavka.kernel.store.queries import load_queries
from postavka.web.formats import day

QUERIES = load_queries("services.payments")

Row = dict[str, Any]
ZERO = Decimal("0.00")


class PartyKind(StrEnum):
    """Whom we reconcile with."""

    PARTNER = "partner"
    DISTRIBUTOR = "distributor"


class OpenKind(StrEnum):
    """The kind of what is not settled at the end of the month."""

    UNPAID = "unpaid"
    DEBT = "debt"
    OVERPAID = "overpaid"
    REFUND = "refund"
    NOT_DELIVERED = "not-delivered"
    UNCONFIRMED = "unconfirmed"
    UNSIGNED = "unsigned"
    UNMATCHED = "unmatched"


TITLES = {
    OpenKind.UNPAID: "Счёт не оплачен",
    OpenKind.DEBT: "Долг после поставки",
    OpenKind.OVERPAID: "Переплата",
    OpenKind.REFUND: "К возврату",
    OpenKind.NOT_DELIVERED: "Оплачено или подтверждено, не поставлено",
    OpenKind.UNCONFIRMED: "Нет ответа дистрибьютора",
    OpenKind.UNSIGNED: "Документ не подписан",
    OpenKind.UNMATCHED: "Платёж не разнесён",
}
SIGNED_KINDS = ("act", "shipping")
"""Kinds that come back signed (L16); an invoice need not."""


@dataclass(frozen=True, slots=True)
class ReconciledParty:
    """A partner or a distributor, as it was in its latest sale."""

    kind: PartyKind
    id: str
    name: str
    inn: str
    kpp: str | None


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of a party's account. A debit raises what the party owes us."""

    day: date
    text: str
    debit: Decimal
    credit: Decimal
    request_id: str


@dataclass(frozen=True, slots=True)
class OpenItem:
    """Something that is not settled."""

    kind: OpenKind
    day: date
    text: str
    amount: Decimal | None


@dataclass(slots=True)
class Account:
    """The month of one party. A positive balance is owed to us, a negative one by us."""

    party: ReconciledParty
    opening: Decimal = ZERO
    movements: list[Movement] = field(default_factory=list)
    open: list[OpenItem] = field(default_factory=list)
    requests: set[UUID] = field(default_factory=set)
    """The requests that the month shows, by their movements and by what is open."""

    @property
    def debit(self) -> Decimal:
        """Turnover of the month."""
        return sum((each.debit for each in self.movements), ZERO)

    @property
    def credit(self) -> Decimal:
        """Turnover of the month."""
        return sum((each.credit for each in self.movements), ZERO)

    @property
    def closing(self) -> Decimal:
        """The balance at the end of the month."""
        return self.opening + self.debit - self.credit


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The month of everybody, or of one."""

    first: date
    last: date
    accounts: tuple[Account, ...]
    unknown: tuple[OpenItem, ...]
    """Payments that are not matched, of payers who are nobody's partner."""

    def as_json(self) -> dict[str, Any]:
        """The reconciliation for programs; sums are strings."""
        whole = {
            "first": self.first,
            "last": self.last,
            "accounts": [
                asdict(each.party)
                | {"opening": each.opening, "debit": each.debit, "credit": each.credit, "closing": each.closing}
                | {"movements": [asdict(line) for line in each.movements], "open": [asdict(one) for one in each.open]}
                for each in self.accounts
            ],
            "unknown": [asdict(each) for each in self.unknown],
        }
        plain: dict[str, Any] = orjson.loads(orjson.dumps(whole, default=str))
        return plain


class UnknownParty(ValueError):
    """Nobody of that id has had a sale."""


def month_of(text: str) -> tuple[date, date]:
    """First and last day of `2026-11`. Raises `ValueError`."""
    year, _, month = text.partition("-")
    first = date(int(year), int(month), 1)
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])


def reconcile(
    connection: psycopg.Connection[Row],
    first: date,
    last: date,
    partner: str | None = None,
    distributor: str | None = None,
) -> Reconciliation:
    """Compare everything up to `last`; movements from `first` on. One party only, if named.

    Raises `UnknownParty`.
    """
    parties = _parties(connection, last, partner, distributor)
    if (partner or distributor) and not parties:
        raise UnknownParty(f"no sale of {partner or distributor!r} up to {day(last)}")
    accounts = {key: Account(party) for key, party in parties.items()}
    _add_movements(connection, accounts, first, last)
    _add_invoices(connection, accounts, last)
    _add_confirmations(connection, accounts, last)
    _add_documents(connection, accounts, last)
    unknown = _add_unmatched(connection, accounts, last)
    is_one = bool(partner or distributor)
    shown = [each for each in accounts.values() if each.opening or each.movements or each.open or is_one]
    for account in shown:
        account.open.sort(key=lambda each: (list(OpenKind).index(each.kind), each.day, each.text))
    shown.sort(key=lambda each: (each.party.kind is PartyKind.DISTRIBUTOR, each.party.name, each.party.id))
    return Reconciliation(first, last, tuple(shown), () if is_one else tuple(unknown))


Accounts = dict[tuple[str, str], Account]


def _parties(
    connection: psycopg.Connection[Row], last: date, partner: str | None, distributor: str | None
) -> dict[tuple[str, str], ReconciledParty]:
    found: dict[tuple[str, str], ReconciledParty] = {}
    for kind, only in ((PartyKind.PARTNER, partner), (PartyKind.DISTRIBUTOR, distributor)):
        if (partner or distributor) and only is None:
            continue
        channel = "direct" if kind is PartyKind.PARTNER else "distributor"
        rows = connection.execute(
            f"SELECT DISTINCT ON ({kind}_id) {kind}_id AS id, {kind}_name AS name, {kind}_inn AS inn, "  # noqa: S608
            f"{kind}_kpp AS kpp FROM sales WHERE channel = %s AND approved_on <= %s "
            f"AND (%s::text IS NULL OR {kind}_id = %s) ORDER BY {kind}_id, approved_on DESC",
            (channel, last, only, only),
        )
        for row in rows:
            found[kind.value, row["id"]] = ReconciledParty(kind, row["id"], row["name"], row["inn"], row["kpp"])
    return found


def _add_movements(connection: psycopg.Connection[Row], accounts: Accounts, first: date, last: date) -> None:
    opening = connection.execute(QUERIES.balances, (first,))
    for row in opening:
        if (account := accounts.get((row["party_kind"], row["party_id"]))) is not None:
            account.opening = row["balance"]
    rows = connection.execute(QUERIES.movements, (first, last))
    for row in rows:
        account = accounts.get((row["party_kind"], row["party_id"]))
        if account is not None:
            text = _text(row, account.party.kind)
            line = Movement(row["day"], text, row["debit"], row["credit"], str(row["request_id"]))
            account.movements.append(line)
            account.requests.add(row["request_id"])


def _text(row: Row, kind: PartyKind) -> str:
    if row["kind"] == "delivery":
        what = f"партнёр {row['partner_name']}" if kind is PartyKind.DISTRIBUTOR else row["product"]
        return f"Поставка, комплект {row['reference']}, {what}"
    what = {
        "received": "Оплата",
        "refund": "Возврат оплаты",
        "reversal": "Отзыв оплаты банком",
        "credited": "Переплата снята для другого счёта, оплата",
        "credited-to": "Зачёт переплаты",
    }[row["kind"]]
    order = ""
    if row["reference"]:
        order = f", п/п № {row['reference']}"
        order += f" от {day(row['reference_day'])}" if row["reference_day"] else ""
    return f"{what} по счёту № {row['product']}{order}"


def _add_invoices(connection: psycopg.Connection[Row], accounts: Accounts, last: date) -> None:
    """Add what is open of direct sales: what is due, owed back, overpaid, or paid and not delivered."""
    rows = connection.execute(QUERIES.invoices, {"last": last})
    for row in rows:
        account = accounts.get((PartyKind.PARTNER.value, row["payer_id"]))
        if account is None:
            continue
        name, due = f"Счёт № {row['number']} от {day(row['issued_on'])}", row["amount"] - row["paid"]
        is_closed = row["closed_on"] is not None and row["closed_on"] <= last
        is_ordered = row["ordered_on"] is not None and row["ordered_on"] <= last
        is_delivered = row["shipped_on"] is not None and row["shipped_on"] <= last

        def note(kind: OpenKind, amount: Decimal, name: str = name, row: Row = row, account: Account = account) -> None:
            account.open.append(OpenItem(kind, row["issued_on"], name, amount))
            account.requests.add(row["request_id"])

        if is_closed:
            if row["paid"] > 0:
                note(OpenKind.REFUND, row["paid"])
            continue
        if due > 0:
            note(OpenKind.DEBT if is_ordered else OpenKind.UNPAID, due)
        elif not is_delivered:
            note(OpenKind.NOT_DELIVERED, row["amount"])
        if due < 0:
            note(OpenKind.OVERPAID, -due)


def _add_confirmations(connection: psycopg.Connection[Row], accounts: Accounts, last: date) -> None:
    """Add what is open of sales through distributors: not answered, or confirmed and not delivered."""
    rows = connection.execute(QUERIES.confirmations, {"last": last})
    for row in rows:
        account = accounts.get((PartyKind.DISTRIBUTOR.value, row["distributor_id"]))
        if account is not None:
            is_confirmed = row["confirmed_on"] is not None and row["confirmed_on"] <= last
            kind = OpenKind.NOT_DELIVERED if is_confirmed else OpenKind.UNCONFIRMED
            text = f"{row['product']} для {row['client']}, партнёр {row['partner_name']}"
            account.open.append(OpenItem(kind, row["approved_on"], text, row["amount"]))
            account.requests.add(row["request_id"])


def _add_documents(connection: psycopg.Connection[Row], accounts: Accounts, last: date) -> None:
    """Documents that have not come back signed (L16)."""
    rows = connection.execute(QUERIES.documents, {"kinds": list(SIGNED_KINDS), "last": last})
    for row in rows:
        kind = PartyKind.PARTNER if row["channel"] == "direct" else PartyKind.DISTRIBUTOR
        account = accounts.get((kind.value, row["party_id"]))
        if account is not None:
            text = f"{document_name(row['kind'])} № {row['number']} от {day(row['issued_on'])}"
            account.open.append(OpenItem(OpenKind.UNSIGNED, row["issued_on"], text, None))
            account.requests.add(row["request_id"])


def _add_unmatched(connection: psycopg.Connection[Row], accounts: Accounts, last: date) -> list[OpenItem]:
    """Payments in the queue: with the party whose INN the payer has, otherwise nobody's."""
    of_inn: dict[str, list[Account]] = defaultdict(list)
    for account in accounts.values():
        of_inn[account.party.inn].append(account)
    unknown = []
    rows = connection.execute(QUERIES.unmatched_until, (last,))
    for row in rows:
        order = f"п/п № {row['number']}, " if row["number"] else ""
        text = f"{order}{row['payer_name'] or 'плательщик'} ИНН {row['payer_inn']}: {row['purpose']}"
        found = OpenItem(OpenKind.UNMATCHED, row["received_on"], text, row["left_over"])
        for account in of_inn.get(row["payer_inn"], ())[:1]:
            account.open.append(found)
        if row["payer_inn"] not in of_inn:
            unknown.append(found)
    return unknown


def summary(accounts: Iterable[Account]) -> dict[OpenKind, tuple[int, Decimal]]:
    """How many open questions of each kind, and their sum."""
    totals: dict[OpenKind, tuple[int, Decimal]] = {}
    for each in (one for account in accounts for one in account.open):
        count, amount = totals.get(each.kind, (0, ZERO))
        totals[each.kind] = (count + 1, amount + (each.amount or ZERO))
    return totals
