"""A stage small enough to see through, and builders of the records that feed it.

It takes the contract's own messages, since the registry knows no others: a request is sent (`RequestSubmitted`), sent
once more (nothing), withdrawn (`RequestWithdrawn`). A request whose comment is `boom` makes the decider fail. An INN
may be given once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from events.commands import SubmitRequest, WithdrawRequest
from events.envelope import Envelope
from events.model import Decision, Event, Message, Unacceptable
from events.registry import encode
from events.request import PROCEDURE, RequestSubmitted, RequestWithdrawn
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.record import RawHeaders, Record
from postavka.kernel.settings import PARTITIONS
from postavka.kernel.stage.definition import Input, Stage
from postavka.kernel.store.recorder import RecordedEvent

SCHEMA = "toy"
COMMANDS = "toy.commands"
UPSTREAM = "toy-upstream.events"
NOON = datetime(2026, 3, 16, 12, 0, 0, 123_456, UTC)
INN = "inn"


@dataclass(frozen=True, slots=True)
class Sent:
    withdrawn: bool = False


def decide(state: Sent | None, message: Message, facts: object) -> Decision:
    match message, state:
        case SubmitRequest(comment="boom"), _:
            raise ZeroDivisionError("boom")
        case SubmitRequest(), None:
            return (RequestSubmitted(procedure=PROCEDURE, **message.model_dump(exclude={"request_id"})),)
        case ((WithdrawRequest() | RequestWithdrawn()), Sent(withdrawn=False)):
            return (RequestWithdrawn(withdrawn_by=message.withdrawn_by),)
        case ((WithdrawRequest() | RequestWithdrawn()), None):
            return Unacceptable("no-such-request", "nobody has sent it")
        case _:
            return ()


def evolve(state: Sent | None, event: Event) -> Sent | None:
    return Sent(withdrawn=isinstance(event, RequestWithdrawn))


def claims(subject: UUID, event: Event) -> Iterable[tuple[str, str]]:
    if isinstance(event, RequestSubmitted) and event.inn:
        yield INN, event.inn


def toy_inputs() -> list[Input]:
    return [Input(COMMANDS, (SubmitRequest, WithdrawRequest)), Input(UPSTREAM, (RequestWithdrawn,), from_stage=True)]


def toy(**changes: Any) -> Stage:
    """The toy stage, with parts replaced."""
    return replace(Stage(SCHEMA, toy_inputs, None, decide, evolve, claims=claims), **changes)


def unique_name() -> str:
    """For a stage whose topic must be its own."""
    return f"toy{uuid4().hex[:12]}"


# Records


def record(
    topic: str,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: RawHeaders = (),
    partition: int = 0,
    timestamp_ms: int = 1_773_662_400_000,
) -> Record:
    """A record as the worker hands it over."""
    return Record(topic, partition, offset, timestamp_ms, key, value, headers)


def submit(request_id: UUID, comment: str | None = None, inn: str | None = None) -> SubmitRequest:
    """A command of a partner."""
    return SubmitRequest(request_id=request_id, partner_id="p-1", submitted_by="anna@example", comment=comment, inn=inn)


def withdraw(request_id: UUID) -> WithdrawRequest:
    """The other one."""
    return WithdrawRequest(request_id=request_id, partner_id="p-1", withdrawn_by="anna@example")


def command(offset: int, message: SubmitRequest | WithdrawRequest, partition: int = 0, clock: int = 0) -> Record:
    """A command as it lies on the input topic."""
    subject = str(message.request_id)
    envelope = Envelope(
        f"c-{offset}", "/cli", message.TYPE, subject, NOON, clock=clock, correlation=f"act-{offset}", trace=TRACE
    )
    return record(COMMANDS, offset, subject.encode(), encode(message), tuple(envelope.headers()), partition)


def upstream(offset: int, request_id: UUID, position: int | None, clock: int = 1, partition: int = 0) -> Record:
    """An event of the stage before: the request is withdrawn there."""
    message = RequestWithdrawn(withdrawn_by="upstream")
    envelope = Envelope(
        f"{request_id}/{position}", "/upstream", message.TYPE, str(request_id), NOON, clock=clock, position=position
    )
    key = str(request_id).encode()
    return record(UPSTREAM, offset, key, encode(message), tuple(envelope.headers()), partition)


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


# Events


def event(originator: UUID, version: int, body: bytes = b"{}", clock: int = 7) -> RecordedEvent:
    """An event on its way into the store."""
    return RecordedEvent(
        originator, version, RequestWithdrawn.TYPE, body, NOON, clock, "/cli#c-1", "act-1", "toy.commands/0/1", TRACE
    )


def ids_by_partition(count: int) -> dict[int, list[UUID]]:
    """New request ids, by the partition that they belong to."""
    found: dict[int, list[UUID]] = {}
    for _ in range(count):
        request_id = uuid4()
        found.setdefault(partition_of(str(request_id).encode(), PARTITIONS), []).append(request_id)
    return found
