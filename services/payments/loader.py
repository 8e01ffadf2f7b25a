"""Takes a statement: its bytes into the store of blobs, its payments and returns onto `bank.payments`.

What lies on the topic already is not sent again; a crash before that is noted sends it twice, which billing sees. A
broken file changes nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
import psycopg

from events.topics import BANK_PAYMENTS
from postavka.kernel.blobs import open_blobs
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store import session_priority
from services.payments.projection import SCHEMA, prepare
from services.payments.selection import Taken, Total, take, total_of
from services.payments.statement import Statement, parse

SOURCE = "/postavka/statements"


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a file."""

    name: str
    sha256: str
    is_known: bool
    """This very file was taken before."""
    first: date
    last: date
    accounts: tuple[str, ...]
    came: Total
    went_back: Total
    new: Total
    """Payments that were not known yet."""
    new_returns: Total
    other_outgoing: Total
    internal: Total
    not_moved: Total
    repeated: Total

    def lines(self) -> Iterator[str]:
        """For the person who loaded it, in Russian."""
        yield f"Выписка {self.name}: {self.first:%d.%m.%Y} – {self.last:%d.%m.%Y}, счёт {', '.join(self.accounts)}"
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
        ):
            if total.count:
                yield f"{title}: {_said(total)}"

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

    def load(self, data: bytes, name: str, way: str, loaded_by: str, again: bool = False) -> Report:
        """Take a file. `way`: how it came (`cli`, `folder`, `web`); `again` sends what was sent before, too.

        Raises `BrokenStatement`, before anything is changed; `NotSent`, `BlobsAway` or psycopg's `OperationalError`
        when a server is away: the same file may be loaded again.
        """
        statement = parse(data, self._ours)
        sha256 = self._blobs.put(data)
        taken = take(statement, sha256)
        with session_priority.connect(
            self._conninfo, autocommit=True, application_name="postavka-statements"
        ) as connection:
            connection.execute(f"SET search_path TO {SCHEMA}, public")
            sent_before = _sent(connection, taken)
            new = [each for each in taken.payments if each.payment_id not in sent_before]
            new_returns = [each for each in taken.returns if each.return_id not in sent_before]
            for payment in taken.payments if again else new:
                self._sender.send(BANK_PAYMENTS.name, payment.payment_id, payment)
            for gone in taken.returns if again else new_returns:
                # The key of the payment it names, if it does: so billing reads that one first.
                self._sender.send(BANK_PAYMENTS.name, gone.payment_id or gone.return_id, gone)
            self._sender.flush()
            report = _report(name, sha256, statement, taken, total_of(new), total_of(new_returns))
            is_known = _note(connection, report, way, loaded_by, [*_ids(taken)])
        return report if not is_known else Report(**{**_fields(report), "is_known": True})


def _fields(report: Report) -> dict[str, Any]:
    return {name: getattr(report, name) for name in Report.__slots__}


def _report(name: str, sha256: str, statement: Statement, taken: Taken, new: Total, new_returns: Total) -> Report:
    return Report(
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
    )


def _ids(taken: Taken) -> Iterator[str]:
    yield from (each.payment_id for each in taken.payments)
    yield from (each.return_id for each in taken.returns)


def _sent(connection: psycopg.Connection[Any], taken: Taken) -> set[str]:
    rows = connection.execute("SELECT id FROM sent WHERE id = ANY(%s)", (list(_ids(taken)),))
    return {identifier for (identifier,) in rows}


def _note(connection: psycopg.Connection[Any], report: Report, way: str, loaded_by: str, ids: list[str]) -> bool:
    """Note what lies on the topic now; True if this very file was noted before."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO sent (id, statement) SELECT id, %s FROM unnest(%s::text[]) AS id ON CONFLICT DO NOTHING",
            (report.sha256, ids),
        )
        made = connection.execute(
            "INSERT INTO statements (sha256, name, way, loaded_by, first_day, last_day, accounts, report) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
            (
                *(report.sha256, report.name, way, loaded_by, report.first, report.last, list(report.accounts)),
                orjson.dumps(report.as_json()).decode(),
            ),
        ).fetchone()
    return made is None


def _said(total: Total) -> str:
    return f"{total.count} на {money(total.amount)}"


def money(amount: Decimal | int) -> str:
    """A sum as it is written in Russian: 1 234 567,89 ₽."""
    return f"{amount:,.2f} ₽".replace(",", "\u00a0").replace(".", ",")
