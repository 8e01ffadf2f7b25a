"""The simulated installation: two processes of each stage and of the read model, the log, PostgreSQL.

The product's own code runs: `StageRunner`, `Relay`, `bring_back`, `complete_inputs`, `EventRecorder`,
`TableProjection`, with all that they call. Models stand for what speaks to servers: Kafka (`log.py`), PostgreSQL by its
statements (`database.py`), and the loops of `stage/service.py` and `projection/worker.py`, which fetch, wait and start
anew (`Worker` and `Follower` here).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError
from greenlet import getcurrent

from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.outbox import relay as relay_module
from postavka.kernel.outbox.relay import Relay
from postavka.kernel.projection import table_projection
from postavka.kernel.projection.table_projection import TableProjection
from postavka.kernel.stage import batch_run, recovery, runner
from postavka.kernel.stage.definition import Stage
from postavka.kernel.stage.runner import StageRunner, StoreWentBack
from postavka.kernel.store.checkpoint import CheckpointMoved
from postavka.kernel.store.recorder import EventRecorder
from tests.simulation import log as memory
from tests.simulation.actors import Actor, Clock, Wakeup, pause
from tests.simulation.database import Database, Datastore, Session
from tests.simulation.invariants import Invariants
from tests.simulation.log import Log, Place
from tests.simulation.small_world import PLACES, SHOWN, STAGES, TOPICS, command
from tests.simulation.statements import ModelTables, StoreTables, let_retry

T = TypeVar("T")
AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
WAYS_TO_END = (*AWAY, StoreWentBack)
"""What ends a process that is then started anew."""
CACHE = 3
"""States that a worker remembers: fewer than there are requests."""
CLOCK = Clock()
"""The product's modules ask it while they are in memory: for one world at a time."""


class Group:
    """A consumer group: which partitions go to which of the two processes."""

    def __init__(self, topics: list[str]) -> None:
        self._places = [(topic, number) for topic in topics for number in PLACES]
        self.generation = 0
        self.way = 0

    def assign(self, way: int) -> None:
        """0, 1: shared, one way or the other; 2, 3: all to one of them."""
        self.way = way % 4
        self.generation += 1

    def of(self, process: int) -> list[Place]:
        """The partitions of the first (0) or second (1) process."""
        if self.way > 1:
            return self._places if self.way - 2 == process else []
        return [place for place in self._places if (PLACES.index(place[1]) + self.way) % 2 == process]


class Process(ABC):
    """One of two processes of a kind. What is its own is gone when it is killed."""

    def __init__(self, world: World, name: str, number: int, group: Group, database: Database) -> None:
        self.world, self.name, self.number = world, name, number
        self.group, self.database = group, database
        self.actors: list[Actor] = []
        self.sessions: list[Session] = []
        self.at_hand: list[Record] | None = None
        """The batch that is being handled."""
        self._generation = -1
        self._next: dict[Place, int] = {}

    @property
    def alive(self) -> bool:
        return bool(self.actors)

    def start(self) -> None:
        self._generation, self._next, self.at_hand = -1, {}, None
        self._act(self.name, self.work)

    def _act(self, name: str, work: Callable[[], None]) -> None:
        self.actors.append(Actor(name, self, self.world.hub, work, self._ended))

    def _ended(self, error: BaseException) -> None:
        if not isinstance(error, WAYS_TO_END):
            self.world.broken = self.world.broken or error
        self.world.ended.append(self)

    def kill(self) -> None:
        """All that it holds is gone, and PostgreSQL sees it."""
        actors, self.actors = self.actors, []
        for actor in actors:
            actor.kill()
        self.cut()

    def cut(self) -> None:
        """PostgreSQL ends its sessions: whatever was under way is not answered."""
        for session in self.sessions:
            session.close()
        self.sessions.clear()

    @abstractmethod
    def work(self) -> None:
        """From its start to its end."""

    def patiently(self, function: Callable[..., T], *arguments: Any) -> T:
        """What `Watchdog.patiently` does."""
        while True:
            try:
                return function(*arguments)
            except AWAY:
                pause()

    def batches(self, marks: Callable[[list[str]], dict[str, int]]) -> Iterator[list[Record]]:
        """What arrives, from the marks on whenever partitions are assigned."""
        partitions = self.world.log.partitions
        while True:
            if self._generation != self.group.generation:
                self._generation = self.group.generation
                self.seek(marks)
                continue
            fetched: list[Record] = []
            for place, offset in self._next.items():
                fetched += partitions[place][offset : offset + self.world.size]
            if not fetched and not self.has_letters():
                pause(self._has_something)
                continue
            yield fetched
            for record in fetched:
                if (record.topic, record.partition) in self._next:
                    self._next[record.topic, record.partition] = record.offset + 1

    def seek(self, marks: Callable[[list[str]], dict[str, int]]) -> None:
        names = {partition_name(*place): place for place in self.group.of(self.number)}
        found = self.patiently(marks, list(names))
        self._next = {place: found[name] + 1 for name, place in names.items()}

    def _has_something(self) -> bool:
        partitions = self.world.log.partitions
        return (
            self._generation != self.group.generation
            or self.has_letters()
            or any(len(partitions[place]) > offset for place, offset in self._next.items())
        )

    def has_letters(self) -> bool:
        """Are there dead letters to be tried again?"""
        return False


class Worker(Process):
    """A process of a stage: `StageService`."""

    def __init__(self, world: World, stage: Stage, number: int, group: Group, database: Database) -> None:
        super().__init__(world, f"{stage.name}-{number + 1}", number, group, database)
        self.stage = stage
        self.relay: Relay | None = None

    def work(self) -> None:
        settings: Any = self.world
        datastore: Any = Datastore(self.database, self.sessions.append)
        recovery.bring_back(settings, self.stage, datastore)
        recorder = EventRecorder.__new__(EventRecorder)  # the library's part prepares statements that nobody uses
        recorder.datastore = datastore
        self.runner = StageRunner(self.stage, recorder, list(self.stage.inputs()), CACHE)
        self.runner.imported = recovery.imported_inputs(datastore)
        recovery.complete_inputs(self.runner, lambda place: recovery.fetch_input(settings, place))
        relay = self.relay = Relay(settings, recorder, self.stage.topic, self.stage.source, {})
        relay._woken, relay._stopping = Wakeup(self.world.clock), Wakeup(self.world.clock)  # type: ignore[assignment]
        self._act(f"{self.name}/relay", self._relay)

        def marks(names: list[str]) -> dict[str, int]:
            return {name: mark.offset for name, mark in self.runner.take_partitions(names).items()}

        for records in self.batches(marks):
            if self.has_letters():
                letters = self.patiently(recorder.dead_letters, "status = 'retry'", 200)
                self.patiently(self.runner.retry, letters)
                relay.wake()
            if records:
                self.at_hand = records
                outcome = self.patiently(self.runner.handle, records)
                self.at_hand = None
                relay.feed(outcome.events, outcome.first_position)

    def has_letters(self) -> bool:
        return "retry" in self.database.tables.status.values()

    def _relay(self) -> None:
        assert self.relay is not None
        self.relay.run()
        if self.relay.failed is not None:
            raise self.relay.failed


class Follower(Process):
    """A process of the read model: `LiveProjection`."""

    def work(self) -> None:
        projection = TableProjection(self.world, SHOWN)  # type: ignore[arg-type]
        projection._connect = self._connect  # type: ignore[assignment]
        self._session: Session | None = None
        for records in self.batches(projection.marks):  # type: ignore[arg-type]
            try:
                self.patiently(projection.project, records)
            except CheckpointMoved:
                self._generation = -1

    def _connect(self) -> Session:
        if self._session is None or self._session.closed:
            self._session = Session(self.database)
            self.sessions.append(self._session)
        return self._session


class World:
    """Everything, at one moment. It is also what is handed to the product as its settings."""

    def __init__(self) -> None:
        self.clock = CLOCK
        self.clock.now = 0.0
        self.hub = getcurrent()
        self.size = 1
        """Records of a partition that the next fetch brings, at most."""
        self.broken: BaseException | None = None
        self.ended: list[Process] = []
        self.invariants = Invariants(self)
        self.log = Log(self.invariants.appended)
        self.databases: dict[str, Database] = {}
        self.groups: dict[str, Group] = {}
        self.processes: dict[str, Process] = {}
        for stage in STAGES:
            self._add(stage.name, [each.topic for each in stage.inputs()], StoreTables())
            for number in (0, 1):
                worker = Worker(self, stage, number, self.groups[stage.name], self.databases[stage.name])
                self.processes[worker.name] = worker
        self._add("shown", list(TOPICS), ModelTables())
        for number in (0, 1):
            name = f"shown-{number + 1}"
            self.processes[name] = Follower(self, name, number, self.groups["shown"], self.databases["shown"])

    def _add(self, schema: str, topics: list[str], tables: Any) -> None:
        self.databases[schema] = Database(schema, tables, self.invariants)
        self.groups[schema] = Group(topics)

    # What can happen

    def _actor(self, name: str) -> Actor | None:
        """The actor of this name, if it is there now."""
        process = self.processes[name.partition("/")[0]]
        return next((actor for actor in process.actors if actor.name == name), None)

    def may_go(self, name: str) -> bool:
        """Does it lead anywhere to let it go on?"""
        actor = self._actor(name)
        if actor is None:
            return name in self.processes
        return not actor.dead and (actor.ready is None or actor.ready())

    def start_or_go(self, name: str) -> None:
        """Let an actor go on to its next reach for a server; a process that is dead is started. Raises `Violation`, or
        whatever went wrong."""
        if name in self.processes and not self.processes[name].alive:
            self.processes[name].start()
        actor = self._actor(name)
        if actor is None or actor.dead:
            return
        actor.switch()
        while self.ended:  # it can't go on: all of its process ends
            self.ended.pop().kill()
        if self.broken is not None:
            raise self.broken

    def tell(self, number: int, kind: str) -> None:
        self.log.append(*command(number, kind))

    def retry(self, schema: str) -> None:
        """An operator lets all dead letters that are open be tried again."""
        database = self.databases[schema]
        with database.change():
            let_retry(database.tables)
        self.invariants.tried_again |= {"/".join(map(str, place)) for place in database.tables.letters}

    def copy(self, schema: str) -> None:
        """A backup."""
        database = self.databases[schema]
        database.backup = database.tables.copy()

    def restore(self, schema: str) -> None:
        """The backup is put back; nobody works meanwhile, as the handbook says."""
        for process in self.of(schema):
            process.kill()
        database = self.databases[schema]
        self.log.in_flight = [each for each in self.log.in_flight if each[0][0] != f"{schema}.events"]
        database.tables = database.backup.copy()

    def settled(self) -> bool:
        """Is everything handled, published and folded in?"""
        log = self.log.partitions
        for schema, group in self.groups.items():
            tables = self.databases[schema].tables
            for place in group.of(0) + group.of(1):
                mark = tables.marks.get(partition_name(*place))
                if len(log[place]) > (mark.offset + 1 if mark is not None else 0):
                    return False
            if schema != "shown":
                if "retry" in tables.status.values():
                    return False
                relays = [each.relay for each in self.of(schema) if isinstance(each, Worker) and each.alive]
                if all(relay is None or relay.position < tables.head for relay in relays if relay and relay.active):
                    return False
                if not any(relay and relay.active for relay in relays) or len(tables.relayed) < len(tables.letters):
                    return False
        return True

    def of(self, schema: str) -> list[Process]:
        return [process for process in self.processes.values() if process.database.schema == schema]


SILENT = SimpleNamespace(
    **{name: lambda *_, **__: None for name in ("info", "warning", "error", "exception", "beat", "rest")},
    START="",
    START_SECONDS=0.0,
)


@contextmanager
def in_memory() -> Iterator[None]:
    """The product asks the log in memory, and the clock of steps. (Stores are handed to it.)"""
    replaced: list[tuple[Any, dict[str, Any]]] = [
        (relay_module, {"end_offsets": memory.end_offsets, "read_records": memory.read_records}),
        (relay_module, {"Publisher": memory.MemoryPublisher, "time": CLOCK, "log": SILENT, "liveness": SILENT}),
        (recovery, {"end_offsets": memory.end_offsets, "first_offsets": memory.first_offsets}),
        (recovery, {"read_records": memory.read_records, "log": SILENT, "liveness": SILENT}),
        (runner, {"log": SILENT}),
        (batch_run, {"log": SILENT}),
        (table_projection, {"database_url": lambda world: ""}),
    ]
    with ExitStack() as stack:
        for module, names in replaced:
            stack.enter_context(patch.multiple(module, **names))
        yield
