"""Request: a partner sends a request, or takes it back (L11).

Nothing is judged here: fields are recorded as they were typed, and approval says what is wrong with them (L13). The
request's id is made by the sender before the first try, so that the same command twice is one request. The procedure
in force goes into every request (L20).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from events.commands import SubmitRequest, WithdrawRequest
from events.model import Decision, Event, Message, Unacceptable
from events.request import PROCEDURE, RequestSubmitted, RequestWithdrawn


@dataclass(frozen=True, slots=True)
class NotSent:
    """No request under this id."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Sent by this partner; `content` is a digest of all fields, to tell a repetition from another request."""

    partner_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The partner has withdrawn the request."""

    partner_id: str
    content: bytes


State = NotSent | Sent | Withdrawn

INITIAL: State = NotSent()

NO_SUCH_REQUEST = Unacceptable("no-such-request", "the partner has no request with this id")
"""Also of another partner's request: whether an id exists is nobody else's business."""


def decide(state: State, message: SubmitRequest | WithdrawRequest, facts: object) -> Decision:
    """What follows from a command. Told twice, decided once."""
    match message, state:
        case SubmitRequest(), NotSent():
            return (_submitted(message),)
        case SubmitRequest(), (Sent() | Withdrawn()):
            if state.content == digest(_submitted(message)):
                return ()
            return Unacceptable("request-id-reused", "this id belongs to a request with other content; make a new id")
        case WithdrawRequest(), Sent() if state.partner_id == message.partner_id:
            return (RequestWithdrawn(withdrawn_by=message.withdrawn_by, reason=message.reason),)
        case WithdrawRequest(), Withdrawn() if state.partner_id == message.partner_id:
            return ()
        case _:
            return NO_SUCH_REQUEST


def evolve(state: State, event: Event) -> State:
    """The state after one of this stage's own events."""
    match event, state:
        case RequestSubmitted(), NotSent():
            return Sent(event.partner_id, digest(event))
        case RequestWithdrawn(), Sent():
            return Withdrawn(state.partner_id, state.content)
        case _:
            raise ValueError(f"{event.TYPE} can't follow {state!r}")


def digest(content: Message) -> bytes:
    """The SHA-256 of all fields, in their fixed order."""
    return hashlib.sha256(content.model_dump_json().encode()).digest()


def _submitted(message: SubmitRequest) -> RequestSubmitted:
    return RequestSubmitted(procedure=PROCEDURE, **message.model_dump(exclude={"request_id"}))
