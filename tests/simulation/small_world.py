"""What the simulated installation is made of: the real stage `request`, one small stage behind it, and a read model of
both. Small enough that ten thousand histories take a minute; with all that recovery must cope with: three events of one
input, values that exist once, records that are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from events.commands import SubmitRequest, WithdrawRequest
from events.envelope import Envelope
from events.model import Decision, Event
from events.request import RequestSubmitted, RequestWithdrawn
from events.shipping import Basis, BasisHeld, PermissionIssued, ShippingClosed, ShippingClosure
from events.topics import REQUEST_COMMANDS
from events.versions import spoken
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.record import RawHeaders
from postavka.kernel.projection.read_model import Copied
from postavka.kernel.projection.table_projection import ProjectionDefinition
from postavka.kernel.settings import PARTITIONS
from postavka.kernel.stage.definition import Incoming, Input, Stage
from services.request import stage as request

COMMANDS = REQUEST_COMMANDS.name
NOON = datetime(2026, 3, 16, 12, tzinfo=UTC)


def _requests() -> tuple[UUID, ...]:
    """Two in each of two partitions, one in a third: what shares a partition must keep its order."""
    wanted = {0: 2, 1: 2, 2: 1}
    found = []
    for number in range(1, 1000):
        each = UUID(int=0x0190F3A0_0000_7000_8000_000000000000 + number)
        partition = partition_of(str(each).encode(), PARTITIONS)
        if wanted.get(partition, 0):
            wanted[partition] -= 1
            found.append(each)
    return tuple(found)


REQUESTS = _requests()
PLACES = tuple(sorted({partition_of(str(each).encode(), PARTITIONS) for each in REQUESTS}))
"""The partitions that have anything."""
KINDS = ("submit", "withdraw")


@cache
def command(number: int, kind: str) -> tuple[tuple[str, int], bytes, bytes, RawHeaders]:
    """Where a command goes, with its key, body and headers: the same whenever it is told."""
    request_id = REQUESTS[number]
    message: SubmitRequest | WithdrawRequest
    if kind == "submit":
        message = SubmitRequest(request_id=request_id, partner_id="p-1", submitted_by="anna")
    else:
        message = WithdrawRequest(request_id=request_id, partner_id="p-1", withdrawn_by="anna")
    key = str(request_id).encode()
    type_name, body = spoken(message)
    envelope = Envelope(f"{kind}-{number}", "/test", type_name, str(request_id), NOON)
    return (COMMANDS, partition_of(key, PARTITIONS)), key, body, tuple(envelope.headers())


# The second stage


@dataclass(frozen=True, slots=True)
class Answered:
    closed: bool = False


def decide(state: Answered | None, asked: tuple[UUID, Any], facts: object) -> Decision:
    subject, message = asked
    match message, state:
        case RequestSubmitted(), None:
            number = str(subject)[-6:]
            return (
                PermissionIssued(number=number, partner_id=message.partner_id, distributor_id=None),
                BasisHeld(basis=Basis.CONFIRMATION, basis_id=number, given_by="d-1"),
                BasisHeld(basis=Basis.PAYMENT, basis_id=number, given_by="bank"),
            )
        case RequestWithdrawn(), Answered(closed=False):
            return (ShippingClosed(reason=ShippingClosure.WITHDRAWN),)
        case _:
            return ()


def evolve(state: Answered | None, event: Event) -> Answered:
    return Answered(closed=isinstance(event, ShippingClosed))


def claims(subject: UUID, event: Event) -> Iterable[tuple[str, str]]:
    if isinstance(event, PermissionIssued):
        yield "permission", event.number


def translate(incoming: Incoming) -> tuple[UUID, Any]:
    return incoming.subject, incoming.message


def inputs() -> list[Input]:
    return [Input("request.events", (RequestSubmitted, RequestWithdrawn), from_stage=True)]


ANSWER = Stage("answer", inputs, None, decide, evolve, translate=translate, claims=claims)
STAGES = (request.STAGE, ANSWER)
TOPICS = tuple(stage.topic for stage in STAGES)

# The read model


class Histories:
    """What each stage has said of a request, in the order in which it came. Nothing is idempotent here, so that an
    event that is folded in twice, or never, is seen."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, ...]] = {}

    def take(self, type_name: str, fields: dict[str, Any], subject: str, time: str, trace: str | None) -> bool:
        stage = "request" if type_name.startswith("Request") else "answer"
        row = f"{stage} {subject}"
        self.rows[row] = (*self.rows.get(row, ()), type_name)
        return True

    def write(self, connection: Any) -> None:
        kept = connection.database.tables.rows
        for row, types in self.rows.items():
            kept[row] = (*kept.get(row, ()), *types)

    def copied(self) -> Iterator[Copied]:
        return iter(())


SHOWN = ProjectionDefinition(
    schema="shown",
    topics=TOPICS,
    tables=("shown",),
    takes=frozenset(
        each.TYPE for each in (RequestSubmitted, RequestWithdrawn, PermissionIssued, BasisHeld, ShippingClosed)
    ),
    entries=Histories,
    prepare=lambda conninfo: None,
    outside=frozenset(),
)
