"""The work list of odd documents: those of a statement that a person has to look at before they count, or don't.

A document is on it once, whichever statements show it. What can be read in full and is only in doubt (the same payment
twice, without a total that proves it) is booked by a word; of what can't be read a corrected statement is loaded.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
from psycopg.rows import dict_row

from events.commands import BankPayment, BankReturn
from postavka.kernel.store.queries import load_queries
from services.payments.selection import message_of
from services.payments.statement import BankStatement, OddDocument

QUERIES = load_queries("services.payments")

LONGEST_TEXT = 4_000
"""Characters of a document that are kept; the whole is in the statement's file."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ListedOddDocument:
    """An odd document as the list keeps it."""

    id: str
    odd: OddDocument
    text: str
    message: BankPayment | BankReturn | None

    @property
    def document_id(self) -> str | None:
        """The payment's or the return's, where all of it can be read."""
        return id_of(self.message) if self.message else None


def listed(statement: BankStatement, odd: tuple[OddDocument, ...], sha256: str) -> Iterator[ListedOddDocument]:
    """Odd documents with the ids they have in every statement; `sha256` is that of the file."""
    seen: Counter[str] = Counter()
    for each in odd:
        text = statement.text_of(each)
        message = message_of(each.document, sha256) if each.document else None
        name = id_of(message) if message else text
        seen[name] += 1
        digest = hashlib.sha256(f"{name}\x1f{seen[name]}".encode()).hexdigest()
        yield ListedOddDocument(f"od-{digest[:16]}", each, text[:LONGEST_TEXT], message)


def id_of(message: BankPayment | BankReturn) -> str:
    """The payment's or the return's."""
    return message.payment_id if isinstance(message, BankPayment) else message.return_id


def note(connection: psycopg.Connection[Any], documents: Sequence[ListedOddDocument], sha256: str) -> None:
    """Put documents onto the list; those that are on it stay as they are, dealt with or not."""
    with connection.cursor() as cursor:
        cursor.executemany(
            QUERIES.add_odd_document,
            [
                (
                    *(each.id, sha256, each.odd.line, each.odd.kind[:100], each.odd.amount),
                    [str(problem) for problem in each.odd.problems],
                    each.text,
                    each.document_id,
                    orjson.dumps({each.message.TYPE: each.message.model_dump(mode="json")}).decode()
                    if each.message
                    else None,
                )
                for each in documents
            ],
        )


def message(connection: psycopg.Connection[Any], document: str) -> BankPayment | BankReturn | None:
    """The command to billing about a document that waits. None: none of that id waits, or it can't be read in full."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(QUERIES.message, (document,)).fetchone()
    if row is None or row["message"] is None:
        return None
    ((name, fields),) = row["message"].items()
    kind = BankPayment if name == BankPayment.TYPE else BankReturn
    return kind.model_validate_json(orjson.dumps(fields))


def close(connection: psycopg.Connection[Any], document: str, closed_by: str, why: str) -> bool:
    """A person has dealt with it: who and why. False: none of that id waits."""
    changed = connection.execute(QUERIES.close, (closed_by, why, document))
    return changed.rowcount == 1
