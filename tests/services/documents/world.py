"""Everything around dispatching, small enough to be killed at any point and looked at: a real database, a real store, a
real operator on disk, shipping's real decider as the log."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.sql import Composable

from events.commands import DeclineDocument, ReportDispatch, ReportRendering, SignDocument
from events.model import Delivery, Event, Message, Unacceptable
from events.registry import MESSAGES, encode
from events.shipping import DocumentDispatched, DocumentIssued
from postavka.domain.document_forms.content import DocumentContent
from postavka.kernel.blobs.folder import FolderBlobs
from services.documents import post
from services.documents.counterparty import TrialAuthority, sign_received
from services.documents.dispatch import Dispatch
from services.documents.operator.local import LocalOperator
from services.documents.projection import DocumentFold, connect, prepare
from services.documents.rendering import render
from services.shipping import decider, documents
from services.shipping.checking import check
from services.shipping.signatures import CmsVerifier
from tests.services.histories import PARTNER, PERMISSION, PRICE, PRODUCT, TODAY, VENDOR, approved

TABLES = ("sales", "invoices", "documents", "answers", "work", "exchange")
TRACKING = "80080000000017"
COMMANDS = SignDocument | DeclineDocument | ReportRendering | ReportDispatch


class Outbox:
    """Commands on a file instead of Kafka; what is flushed survives, like what a broker has acknowledged."""

    def __init__(self, file: Path, at: Callable[[], None] = lambda: None) -> None:
        self._file, self._at = file, at
        self._buffered: list[str] = []

    def send(self, topic: str, subject: str, message: Message, trace: str | None = None) -> None:
        self._buffered.append(json.dumps([message.TYPE, encode(message).decode()]))

    def flush(self) -> None:
        with self._file.open("a") as out:
            out.writelines(f"{line}\n" for line in self._buffered)
            out.flush()
            os.fsync(out.fileno())
        self._buffered.clear()
        self._at()


class Watched:
    """Another object, with a point after each of its calls that leave a trace outside, at which the process may die.

    Between two such points nothing outside changes, so that these are all the points there are.
    """

    def __init__(self, real: Any, at: Callable[[], None], *names: str) -> None:
        self._real, self._at, self._names = real, at, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in self._names:
            return found

        def called(*given: Any, **how: Any) -> Any:
            result = found(*given, **how)
            if name != "execute" or not _text_of(given[0]).lstrip().startswith("SELECT"):
                self._at()
            return result

        return called


def _text_of(statement: Any) -> str:
    return statement.as_string(None) if isinstance(statement, Composable) else str(statement)


@dataclass
class World:
    """One history of a few requests."""

    url: str
    home: Path
    states: dict[UUID, decider.State] = field(default_factory=dict)
    events: list[tuple[UUID, Event]] = field(default_factory=list)
    taken: int = 0
    """Commands that the decider has seen."""

    def __post_init__(self) -> None:
        self.home.mkdir()
        self.operator = LocalOperator(self.home / "operator")
        self.blobs = FolderBlobs(self.home / "blobs")
        self.authority = TrialAuthority(self.home / "authority")
        self.verifier = CmsVerifier.trusting(self.authority.make().read_bytes())
        with psycopg.connect(self.url, autocommit=True, options="-c search_path=papers") as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
            connection.execute("INSERT INTO exchange (cursor) VALUES (NULL)")

    # The log

    def approve(self, request_id: UUID, *, delivery: Delivery | None) -> None:
        """A sale through a distributor (None), or a direct one to a partner with this agreement."""
        message = approved() if delivery is None else approved(None, PARTNER.model_copy(update={"delivery": delivery}))
        self._decide(request_id, message)

    def tell(self, request_id: UUID, message: Any) -> None:
        """Anything else that shipping reads."""
        self._decide(request_id, message)

    def carry_over(self) -> int:
        """Shipping takes the commands that have come; returns how many there were."""
        file = self.home / "commands"
        lines = file.read_text().splitlines() if file.exists() else []
        new = lines[self.taken :]
        self.taken = len(lines)
        for line in new:
            type_name, body = json.loads(line)
            message = MESSAGES[type_name].model_validate_json(body)
            assert isinstance(message, COMMANDS)
            self._decide(message.request_id, message)
        return len(new)

    def _decide(self, request_id: UUID, message: Any) -> None:
        state = self.states.get(request_id, decider.INITIAL)
        now = datetime.now(UTC)
        checked = None
        if isinstance(message, SignDocument) and (question := documents.to_verify(state, message)) is not None:
            checked = check(question, self.verifier, self.blobs, now)
        number = f"{PERMISSION[:-3]}{len(self.states):03}"
        decision = decider.decide(state, message, decider.Facts(TODAY, number, VENDOR, now, checked))
        assert not isinstance(decision, Unacceptable), decision
        for event in decision:
            state = decider.evolve(state, event)
            self.events.append((request_id, event))
        self.states[request_id] = state
        fold = DocumentFold()
        for event in decision:
            fold.take(event.TYPE, json.loads(encode(event)), str(request_id), now.isoformat())
        with connect(self.url) as connection, connection.transaction():
            fold.write(connection)

    # The process that dispatches

    def dispatch(self) -> int:
        """Rounds until nothing is left to do, here. Returns how many traces they left outside."""
        return self._rounds(None, render)

    def dispatch_apart(self, kill_at: int | None = None) -> int | None:
        """The same in a process of its own, None if it was killed at point `kill_at`.

        A fork, to be quick; Typst's threads do not survive one, so that a rendering is a line of text here.
        """
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                points = self._rounds(kill_at, lambda paper: f"%PDF- {paper.document_id}".encode())
                os.write(writer, str(points).encode())
                os._exit(0)
            except BaseException as error:
                os.write(2, f"the child failed: {error!r}\n".encode())
                os._exit(1)
        os.close(writer)
        _, status = os.waitpid(child, 0)
        with os.fdopen(reader) as said:
            points = said.read()
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return None
        assert os.WEXITSTATUS(status) == 0
        return int(points)

    def _rounds(self, kill_at: int | None, rendered_by: Callable[[DocumentContent], bytes]) -> int:
        points = 0

        def at() -> None:
            nonlocal points
            points += 1
            if points == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        with connect(self.url) as connection:
            dispatch = Dispatch(
                Watched(connection, at, "execute"),
                Watched(self.blobs, at, "put"),
                Watched(self.operator, at, "send"),
                Outbox(self.home / "commands", at),
                render=rendered_by,
            )
            while dispatch.round():
                pass
            dispatch.poll()
        return points

    # The others

    def clerk_posts(self, request_id: UUID) -> None:
        """If its envelope waits."""
        with connect(self.url) as connection:
            if post.waiting(connection, request_id):
                post.sent(connection, request_id, TRACKING, "clerk")

    def recipients_sign(self) -> None:
        """Everybody signs what has come by exchange and isn't signed yet."""
        answered = {answer.what.sent.message_id for answer in self.operator.answers(None) if answer.what}
        for letter in self.operator.mailbox():
            if letter.message_id not in answered:
                sign_received(self.operator, self.authority, letter.message_id)

    # What has come of it

    def count(self, kind: type[Event]) -> dict[str, int]:
        """How often each document has had an event of this kind."""
        found: dict[str, int] = {}
        for request_id, event in self.events:
            if isinstance(event, kind):
                key = f"{request_id}/{event.document_id}"  # type: ignore[attr-defined]
                found[key] = found.get(key, 0) + 1
        return found

    def issued(self) -> Sequence[tuple[UUID, DocumentIssued]]:
        return [(request_id, event) for request_id, event in self.events if isinstance(event, DocumentIssued)]

    def dispatched(self) -> dict[str, DocumentDispatched]:
        return {event.document_id: event for _, event in self.events if isinstance(event, DocumentDispatched)}


__all__ = ["PRICE", "PRODUCT", "TODAY", "TRACKING", "World", "prepare"]
