"""Brings documents on their way, step by step, as an outbox: what is missing on the log is done, and reported again
until the log has it (L14, L15).

A document is rendered and kept; then it goes to the exchange operator or waits in the postal queue; what the other side
answers comes back as commands. Whatever is done is safe to do twice: renderings are the same bytes, the store is
content-addressed, the operator takes a key once, and shipping's decider knows what has been reported. So a process that
dies between any two steps leaves nothing unsent and nothing twice.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier
from pydantic import ValidationError

from events.commands import DeclineDocument, ReportDispatch, ReportRendering, SignDocument
from events.model import Delivery, Message
from events.topics import DOCUMENT_COMMANDS
from postavka.domain.document_forms.content import sha256
from postavka.domain.document_forms.forms import make
from postavka.domain.typesetting import Untypeset
from postavka.kernel.blobs import BlobMissing, Blobs
from postavka.kernel.process.logs import logger
from postavka.kernel.store.queries import load_queries
from services.documents.operator import (
    Declined,
    ExchangeOperator,
    OperatorAway,
    OperatorRefuses,
    SignedBack,
    TakenByOperator,
)
from services.documents.rendering import FORM, render
from services.documents.seal import NotSealed, Seal
from services.documents.task import DispatchStep, Task

QUERIES = load_queries("services.documents")

log = logger(__name__)

MOST = 100
REPEAT = timedelta(seconds=30)
"""A report whose event has not come by then is made again."""
LONGEST_WAIT = timedelta(hours=1)
OPEN_TASKS = (Path(__file__).parent / "open_tasks.sql").read_text()


class ReportSender(Protocol):
    """The sender of reports: `postavka.kernel.outbox.command_sender.Sender`."""

    def send(self, topic: str, subject: str, message: Message, trace: str | None = None) -> object:
        """Write one report to the topic, under the request's id."""
        ...

    def flush(self) -> None:
        """Wait until Kafka has all that was sent."""
        ...


class WrongBytes(RuntimeError):
    """What this release makes of a document's facts are not the bytes that were issued or rendered."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Everything a round needs. `connection` is in autocommit: each step is on record when it is done."""

    connection: psycopg.Connection[Any]
    blobs: Blobs
    operator: ExchangeOperator
    commands: ReportSender
    seal: Seal | None = None
    render: Callable[[Any], bytes] = render

    def round(self) -> int:
        """One step of each document that has one; returns how many were taken.

        Raises what says that nothing can be done now: `OperatorAway`, `BlobsAway`, `NotSent`, psycopg's errors. What is
        wrong with one document stays with it: noted, and tried again later and later.
        """
        done = 0
        reports: list[tuple[Task, DispatchStep]] = []
        away: OperatorAway | None = None
        for task in self._tasks():
            step = task.step(sealed=self.seal is not None)
            try:
                match step:
                    case None:
                        continue
                    case DispatchStep.RENDER:
                        self._render(task)
                    case DispatchStep.SEAL:
                        self._seal(task)
                    case DispatchStep.SEND if away is None:
                        self._send(task)
                    case DispatchStep.SEND:
                        continue
                    case DispatchStep.REPORT_RENDERING | DispatchStep.REPORT_DISPATCH:
                        self._report(task, step)
                        reports.append((task, step))
            except OperatorAway as unreached:
                away = unreached  # the post and renderings don't wait for it
                continue
            except (OperatorRefuses, NotSealed, Untypeset, WrongBytes) as wrong:
                self._put_off(task, str(wrong))
                continue
            done += 1
        if reports:
            self.commands.flush()
            for task, step in reports:
                column = "rendering_reported_at" if step is DispatchStep.REPORT_RENDERING else "dispatch_reported_at"
                self._note(task, **{column: "now()"})
        if away is not None:
            raise away
        return done

    def poll(self) -> int:
        """Carry the counterparties' answers over to the log; returns how many. Raises like `round`."""
        row = self.connection.execute(QUERIES.cursor).fetchone()
        cursor: str | None = row[0] if row else None
        answers = self.operator.answers(cursor)
        carried = 0
        for answer in answers:
            cursor = answer.cursor
            if answer.what is not None:
                carried += self._carry(answer.what)
        if answers:
            self.commands.flush()
            self.connection.execute(QUERIES.move_cursor, (cursor,))
        return carried

    def _tasks(self) -> list[Task]:
        cursor = self.connection.cursor(row_factory=dict_row)
        found = cursor.execute(OPEN_TASKS.encode(), {"repeat": REPEAT, "most": MOST}).fetchall()
        return [Task.of(row) for row in found]

    def _render(self, task: Task) -> None:
        self.blobs.put(self._issued(task))
        self._note(task, rendering_sha256=self.blobs.put(self.render(task.content)), trouble=None, tries=0)

    def _seal(self, task: Task) -> None:
        assert self.seal is not None  # noqa: S101 - that is what the step says
        self._note(task, seal_sha256=self.blobs.put(self.seal.sign(self._content(task))))

    def _send(self, task: Task) -> None:
        signature = self.blobs.get(task.seal_sha256) if task.seal_sha256 is not None else None
        sent = self.operator.send(task.outgoing(self._content(task), signature))
        self._note(task, message=sent.message_id, entity=sent.entity_id, trouble=None, tries=0)
        log.info("sent by exchange", request=str(task.request_id), document=task.document_id, sent=str(sent))

    def _report(self, task: Task, step: DispatchStep) -> None:
        message: Message
        if step is DispatchStep.REPORT_RENDERING:
            message = ReportRendering(
                request_id=task.request_id,
                document_id=task.document_id,
                form=FORM,
                sha256=task.made_sha256 or "",
            )
        else:
            by_post = task.delivery is Delivery.POST
            message = ReportDispatch(
                request_id=task.request_id,
                document_id=task.document_id,
                delivery=task.delivery,
                dispatch_id=f"post-{task.document_id}"[:100] if by_post else str(task.sent),
                tracking=task.tracking,
            )
        self.commands.send(DOCUMENT_COMMANDS.name, str(task.request_id), message, task.trace)

    def _carry(self, what: SignedBack | Declined) -> bool:
        """Carry one answer over as a command; False for a message that is not one of ours."""
        found = self._document_of(what.sent)
        if found is None:
            log.info("an answer to a message that is none of ours", sent=str(what.sent))
            return False
        request_id, document_id, trace = found
        message: Message
        try:
            match what:
                case SignedBack():
                    for kept in filter(None, (what.signature, what.title)):
                        self.blobs.put(kept)
                    message = SignDocument(
                        request_id=request_id,
                        document_id=document_id,
                        signature=base64.b64encode(what.signature).decode(),
                        title=base64.b64encode(what.title).decode() if what.title is not None else None,
                        sent_by=what.signed_by,
                    )
                case Declined():
                    message = DeclineDocument(
                        request_id=request_id,
                        document_id=document_id,
                        decline_id=f"edo-{what.event_id}",
                        reason=what.reason,
                        sent_by=what.declined_by,
                    )
        except ValidationError as wrong:
            log.error("an answer that no command can hold", sent=str(what.sent), error=str(wrong)[:300])
            return False
        self.commands.send(DOCUMENT_COMMANDS.name, str(request_id), message, trace)
        return True

    def _document_of(self, sent: TakenByOperator) -> tuple[UUID, str, str | None] | None:
        """Its request, its id and the trace it was issued in: by what was noted when it was sent, or, if that is lost,
        by what the log says of its dispatch."""
        row = self.connection.execute(QUERIES.document_of, (sent.message_id, sent.entity_id, str(sent))).fetchone()
        return (row[0], row[1], row[2]) if row else None

    def _content(self, task: Task) -> bytes:
        """What goes to the operator: the XML issued, or where there is none the rendering on record."""
        if task.is_transfer:
            return self._issued(task)
        name = task.rendering_sha256 or ""
        try:
            return self.blobs.get(name)
        except BlobMissing:
            again = self.render(task.content)
            if sha256(again) != name:
                raise WrongBytes(f"the rendering {name} is lost, and this release renders otherwise") from None
            self.blobs.put(again)
            return again

    def _issued(self, task: Task) -> bytes:
        """The exact bytes issued: made again, or from the store."""
        try:
            data = make(task.form, task.content)
        except ValueError as wrong:
            raise WrongBytes(str(wrong)) from None
        if sha256(data) == task.sha256:
            return data
        try:
            return self.blobs.get(task.sha256)
        except BlobMissing:
            raise WrongBytes(f"this release makes other bytes than those issued ({task.sha256})") from None

    def _note(self, task: Task, **values: object) -> None:
        """Note a task's progress, committed at once."""
        self.connection.execute(QUERIES.add_work, (task.request_id, task.document_id))
        sets, given = _assignments(values)
        self.connection.execute(QUERIES.update_work.format(sets), (*given, task.request_id, task.document_id))

    def _put_off(self, task: Task, trouble: str) -> None:
        wait = min(timedelta(seconds=2 ** min(task.tries, 12)), LONGEST_WAIT)
        log.error("put off", request=str(task.request_id), document=task.document_id, trouble=trouble[:500])
        self._note(task, trouble=trouble[:2000], tries=task.tries + 1, not_before=wait)


def _assignments(values: Mapping[str, object]) -> tuple[Any, list[object]]:
    parts, given = [], []
    for name, value in values.items():
        if value == "now()":
            parts.append(SQL("{} = now()").format(Identifier(name)))
        elif name == "not_before":
            parts.append(SQL("{} = now() + %s").format(Identifier(name)))
            given.append(value)
        else:
            parts.append(SQL("{} = %s").format(Identifier(name)))
            given.append(value)
    return SQL(", ").join(parts), given
