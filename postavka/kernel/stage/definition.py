"""The definition of a stage; everything else is the same for all of them.

A stage names its inputs, its decider (`initial`, `decide`, `evolve`: pure), and how the facts are gathered that a
decision needs. The runner does the rest: reading, skipping what was seen, decoding, dead letters, state, writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from events.envelope import Envelope
from events.model import Decision, Event, Message
from postavka.kernel.log.record import Record
from postavka.kernel.settings import Settings
from postavka.kernel.store.recorder import EventRecorder


@dataclass(frozen=True, slots=True)
class Input:
    """One topic that feeds the stage, and the message types it takes from there. Other types of the contract are
    skipped by their header, without decoding."""

    topic: str
    takes: tuple[type[Message], ...]
    default_type: str | None = None
    """The type of a record without a `ce_type` header: outside senders may write plain JSON."""
    from_stage: bool = False
    """Written by another stage's relay: records have positions, and a position seen before is a late duplicate."""
    keyed_by_request: bool = True
    """Commands only: the key must be the request id, so that a request's commands stay in order."""
    silent: frozenset[str] = frozenset()
    """Older versions of what is taken, as headers name them, that say nothing here: skipped like other types."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One decoded message with where it came from. `subject` is the request it is about."""

    record: Record
    envelope: Envelope
    message: Message
    subject: UUID


class BatchFacts(Protocol):
    """Facts for the messages of one batch. `of` is called right before a message is decided, `decided` after it: a
    counter (invoice numbers) moves only by what was really used."""

    def of(self, incoming: Incoming, state: Any) -> Any:
        """The facts for one message, looked up right before it is decided by `state`."""
        ...

    def decided(self, incoming: Incoming, events: Sequence[Event]) -> None:
        """Take note of what the decider made of the message; most facts have nothing to note."""
        return


class NoFacts(BatchFacts):
    """The facts of a decider that looks nothing up."""

    def of(self, incoming: Incoming, state: Any) -> Any:
        """Nothing, whatever the message."""
        return None


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: what it reads, decides and writes. `name` is its PostgreSQL schema, its consumer group, its topic
    (`<name>.events`) and its source."""

    name: str
    inputs: Callable[[], Sequence[Input]]
    """Asked at start: some inputs depend on reference data (one topic for each distributor)."""
    initial: Any
    decide: Callable[[Any, Any, Any], Decision]
    evolve: Callable[[Any, Any], Any]
    gather: Callable[[Sequence[Incoming], EventRecorder, Mapping[UUID, Any]], BatchFacts] = lambda *_: NoFacts()
    """Looks up, once a batch, what its messages need: given the batch, the stage's own store (claims) and the state of
    each request as it is before the batch."""
    translate: Callable[[Incoming], Any] = lambda incoming: incoming.message
    """What the decider is given for a message; most take it as it is."""
    find_subject: Callable[[Sequence[tuple[Record, Message]], EventRecorder], Sequence[UUID | None]] | None = None
    """For messages that do not say which request they are about (payments)."""
    claims: Callable[[UUID, Event], Iterable[tuple[str, str]]] = lambda subject, event: ()
    """(kind, value) pairs of an event that may exist once in this stage's store."""
    gather_ms: int = 150
    """How long records gather between two fetches while they flow: every batch costs about as much as ten requests. The
    first one after a pause is taken at once. Short for a request and its approval, which a partner waits for."""
    begins: tuple[type[Message], ...] = ()
    """Messages with which a request begins here. It is taken for a new one without asking the store, which finds out
    with the write if it is not."""
    copies: dict[str, str] = field(default_factory=dict)
    """Type of event → a further topic that gets a copy (manufacturing orders)."""

    check: Callable[[Settings], object] = lambda config: None
    """What must hold besides before a worker starts: raises, with a sentence, when it does not."""
    details: Callable[[], Mapping[str, Any]] = dict
    """What a worker says of itself in `/healthz` beside what every stage's does. Must be quick."""

    @property
    def topic(self) -> str:
        """The topic this stage alone writes."""
        return f"{self.name}.events"

    @property
    def source(self) -> str:
        """`ce_source` of its events."""
        return f"/postavka/{self.name}"
