"""Takes a statement: its bytes into the store of blobs, its payments and returns onto `bank.payments`.

What lies on the topic already is not sent again; a crash before that is noted sends it twice, which billing sees. A
broken file changes nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import orjson
import psycopg
from psycopg.rows import class_row

from events.commands import BankPayment, BankReturn
from events.topics import BANK_PAYMENTS
from postavka.kernel.blobs import open_blobs
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from postavka.web.formats import day, money
from services.payments import odd_documents
from services.payments.ids import order_of
from services.payments.projection import SCHEMA, prepare
from services.payments.same_payment import SentDocument, compare, id_by_other_day
from services.payments.selection import ZERO, DocumentsTotal, Taken, take, total_of
from services.payments.statement import BankStatement, parse, problem_lines

QUERIES = load_queries("services.payments")

SOURCE = "/postavka/statements"

SentRow = tuple[str, str, str | None, date | None, date | None, int | None, bool | None, str | None]
"""Id, SHA-256 of the statement (or the odd document's id), and what `SentDocument` has beside its id."""


@dataclass(frozen=True, slots=True)
class StatementReport:
    """The report on a statement's file."""

    name: str
    sha256: str
    is_known: bool
    """This very file was taken before."""
    first: date
    last: date
    accounts: tuple[str, ...]
    came: DocumentsTotal
    went_back: DocumentsTotal
    new: DocumentsTotal
    """Payments that were not known yet."""
    new_returns: DocumentsTotal
    other_outgoing: DocumentsTotal
    internal: DocumentsTotal
    not_moved: DocumentsTotal
    repeated: DocumentsTotal
    odd: DocumentsTotal
    """Documents for the work list; the sum is of those that have one."""
    recognised: DocumentsTotal
    """Payments and returns that were sent before under the other side's day."""
    selected: tuple[str, ...]
    """The kinds of documents that the file shows, where it leaves others out."""
    problems: tuple[str, ...]
    """What is odd about them, with the lines."""

    def lines(self) -> Iterator[str]:
        """The report's lines for the person who loaded the statement, in Russian."""
        yield f"Выписка {self.name}: {day(self.first)} – {day(self.last)}, счёт {', '.join(self.accounts)}"
        if self.is_known:
            yield "Этот файл уже загружался."
        yield f"Поступления: {_said(self.came)}, из них новых: {_said(self.new)}"
        for title, total in (
            ("Возвраты плательщикам", self.went_back),
            ("Возвраты, новые", self.new_returns),
            ("Прочие списания (не разбираются)", self.other_outgoing),
            ("Переводы между своими счетами", self.internal),
            ("Ещё не проведены банком", self.not_moved),
            ("Повторы внутри файла", self.repeated),
            ("Уже проведены раньше по дате другой стороны", self.recognised),
            ("Не проведены, ждут разбора на странице «Деньги»", self.odd),
        ):
            if total.count:
                yield f"{title}: {_said(total)}"
        if self.selected:
            kinds = ", ".join(self.selected)
            yield f"В файле только отобранные документы ({kinds}): если один из них пропал, по итогам не видно."
        yield from self.problems

    def as_json(self) -> dict[str, Any]:
        """The same for programs; sums are strings."""
        known: dict[str, Any] = asdict(self)
        plain: dict[str, Any] = orjson.loads(orjson.dumps(known, default=str))
        return plain


class Loader:
    """Keeps a producer and the store of blobs."""

    def __init__(self, config: Settings, our_accounts: frozenset[str] = frozenset()) -> None:
        self._conninfo = database_url(config)
        self._blobs = open_blobs(config)
        self._sender = Sender(config, SOURCE)
        self._ours = our_accounts
        prepare(self._conninfo)

    def load(self, data: bytes, name: str, way: str, loaded_by: str, again: bool = False) -> StatementReport:
        """Take a file. `way`: how it came (`cli`, `folder`, `web`); `again` sends what was sent before, too.

        Raises `BrokenStatement`, before anything is changed; `CommandNotSent`, `BlobsAway` or psycopg's
        `OperationalError` when a server is away: the same file may be loaded again.
        """
        statement = parse(data, self._ours)
        sha256 = self._blobs.put(data)
        taken = take(statement, sha256)
        odd = [*odd_documents.listed(statement, taken.odd, sha256)]
        with self._connected() as connection:
            sent = _sent(connection, taken, [each.document_id for each in odd if each.document_id])
            sent_before = {each.id for each in sent}
            found = compare(taken.documents, sent)
            taken = taken.without(found.doubtful)
            odd += odd_documents.listed(statement, tuple(found.doubtful.values()), sha256)
            new = [each for each in taken.payments if each.payment_id not in sent_before | set(found.same)]
            new_returns = [each for each in taken.returns if each.return_id not in sent_before | set(found.same)]
            for payment in taken.payments if again else new:
                if payment.payment_id not in found.same:
                    self._send(payment)
            for gone in taken.returns if again else new_returns:
                if gone.return_id not in found.same:
                    self._send(gone)
            for doubtful in odd if again else ():
                if doubtful.message and doubtful.document_id in sent_before:  # a person has booked it
                    self._send(doubtful.message)
            self._sender.flush()
            odd_documents.note(connection, odd, sha256)
            report = _report(name, sha256, statement, taken, total_of(new), total_of(new_returns), found.same)
            is_known = _note(connection, report, way, loaded_by, _rows(sha256, taken, found.same))
        return report if not is_known else StatementReport(**{**_fields(report), "is_known": True})

    def book(self, document: str, booked_by: str, why: str) -> bool:
        """A person says that an odd document counts: it is sent as the bank has written it. False: none of that id
        waits that can be read in full.

        Raises `CommandNotSent` or psycopg's `OperationalError` when a server is away: the same word may be said again.
        """
        with self._connected() as connection:
            message = odd_documents.message(connection, document)
            if message is None:
                return False
            self._send(message)
            self._sender.flush()
            with connection.transaction():
                odd_documents.close(connection, document, booked_by, why)
                _note_sent(connection, [(odd_documents.id_of(message), document, None, None, None, None, None, None)])
            return True

    def close(self, document: str, closed_by: str, why: str) -> bool:
        """An odd document counts for nothing, or has come with a corrected statement. False: none of that id waits."""
        with self._connected() as connection:
            return odd_documents.close(connection, document, closed_by, why)

    def _send(self, message: BankPayment | BankReturn) -> None:
        """A return has the key of the payment it names, if it does: so billing reads that one first."""
        key = message.payment_id or message.return_id if isinstance(message, BankReturn) else message.payment_id
        self._sender.send(BANK_PAYMENTS.name, key, message)

    def _connected(self) -> psycopg.Connection[Any]:
        return open_session(self._conninfo, {"search_path": f"{SCHEMA},public"}, application_name="postavka-statements")


def _fields(report: StatementReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in StatementReport.__slots__}


def _report(
    name: str,
    sha256: str,
    statement: BankStatement,
    taken: Taken,
    new: DocumentsTotal,
    new_returns: DocumentsTotal,
    same: Mapping[str, str],
) -> StatementReport:
    return StatementReport(
        name=name,
        sha256=sha256,
        is_known=False,
        first=statement.first,
        last=statement.last,
        accounts=statement.accounts,
        came=taken.came,
        went_back=taken.went_back,
        new=new,
        new_returns=new_returns,
        other_outgoing=taken.other_outgoing,
        internal=taken.internal,
        not_moved=taken.not_moved,
        repeated=taken.repeated,
        odd=DocumentsTotal(len(taken.odd), sum((each.amount or ZERO for each in taken.odd), ZERO)),
        recognised=total_of(each for each in taken.messages if odd_documents.id_of(each) in same),
        selected=statement.selected,
        problems=tuple(problem_lines([problem for each in taken.odd for problem in each.problems])),
    )


def _ids(taken: Taken) -> Iterator[str]:
    yield from (each.payment_id for each in taken.payments)
    yield from (each.return_id for each in taken.returns)


def _sent(connection: psycopg.Connection[Any], taken: Taken, odd: list[str]) -> list[SentDocument]:
    """What was sent of these, and what may be one of them under another day."""
    by_other_day = filter(None, map(id_by_other_day, taken.documents.values()))
    ids = [*_ids(taken), *odd, *by_other_day]
    orders = [order_of(each) for each in taken.documents.values()]
    with connection.cursor(row_factory=class_row(SentDocument)) as cursor:
        return cursor.execute(QUERIES.sent, (ids, orders)).fetchall()


def _rows(sha256: str, taken: Taken, same: Mapping[str, str]) -> list[SentRow]:
    """What is kept of each document that lies on the topic."""
    return [
        (name, sha256, order_of(each), each.moved_on, each.other_day, each.copy, each.by_other_day, same.get(name))
        for name, each in taken.documents.items()
    ]


def _note(
    connection: psycopg.Connection[Any], report: StatementReport, way: str, loaded_by: str, rows: list[SentRow]
) -> bool:
    """Note what lies on the topic now; True if this very file was noted before."""
    with connection.transaction():
        _note_sent(connection, rows)
        made = connection.execute(
            QUERIES.note_statement,
            (
                *(report.sha256, report.name, way, loaded_by, report.first, report.last, list(report.accounts)),
                orjson.dumps(report.as_json()).decode(),
            ),
        ).fetchone()
    return made is None


def _note_sent(connection: psycopg.Connection[Any], rows: Sequence[SentRow]) -> None:
    """These payments and returns lie on the topic."""
    with connection.cursor() as cursor:
        cursor.executemany(QUERIES.note_sent, rows)


def _said(total: DocumentsTotal) -> str:
    return f"{total.count} на {money(total.amount)}"
