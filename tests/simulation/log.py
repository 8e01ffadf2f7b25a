"""The log in memory, as relay, recovery and readers ask for it. Records of one partition stay in order; a round of a
producer reaches the partitions one record at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.record import RawHeaders, Record
from postavka.kernel.settings import PARTITIONS
from tests.simulation.actors import Actor, Killed, pause

if TYPE_CHECKING:
    from tests.simulation.world import World

Place = tuple[str, int]


class Log:
    """Topics. `watch` is called with every record and who writes it (None: nobody who lives)."""

    def __init__(self, watch: Callable[[Record, Actor | None], None]) -> None:
        self.partitions: dict[Place, list[Record]] = defaultdict(list)
        self.in_flight: list[tuple[Place, bytes | None, bytes | None, RawHeaders]] = []
        """What a process had on its way to the broker when it was killed: it may arrive yet."""
        self._watch = watch

    def append(
        self, place: Place, key: bytes | None, value: bytes | None, headers: RawHeaders, writer: Actor | None = None
    ) -> int:
        """Returns its offset."""
        records = self.partitions[place]
        record = Record(*place, len(records), 0, key, value, headers)
        self._watch(record, writer)
        records.append(record)
        return record.offset

    def land(self) -> None:
        """One record arrives of those whose sender is dead."""
        if self.in_flight:
            self.append(*self.in_flight.pop(0))


class MemoryPublisher:
    """What `postavka.kernel.outbox.publisher.Publisher` promises a relay."""

    def __init__(self, world: World, offsets: dict[Place, int], for_outsiders: Collection[str] = ()) -> None:
        self.offsets = offsets
        self._world, self._log = world, world.log
        self._round: dict[Place, list[tuple[bytes | None, bytes | None, RawHeaders]]] = {}

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> None:
        partition = partition_of(key, PARTITIONS) if key is not None else 0
        self._round.setdefault((topic, partition), []).append((key, value, tuple(headers)))

    def wait(self, waiting: Callable[[], None] = lambda: None) -> None:
        left, self._round = self._round, {}
        me = getcurrent()
        writer = me if isinstance(me, Actor) else None
        answers: dict[Place, int] = {}
        try:
            while left:
                pause()
                place = list(left)[self._world.size % len(left)]  # partitions overtake one another
                answers[place] = self._log.append(place, *left[place][0], writer)
                del left[place][0]
                if not left[place]:
                    del left[place]
            pause()
        except Killed:
            self._log.in_flight += [(place, *each) for place, records in left.items() for each in records]
            raise
        waiting()
        for place, offset in answers.items():
            self.offsets[place] = max(self.offsets.get(place, 0), offset + 1)

    def close(self) -> None: ...


def end_offsets(world: World, places: Iterable[Place]) -> dict[Place, int]:
    pause()
    return {place: len(world.log.partitions[place]) for place in places}


def first_offsets(world: World, places: Iterable[Place]) -> dict[Place, int]:
    pause()
    return dict.fromkeys(places, 0)


def read_records(
    world: World, start: Mapping[Place, int], ends: Mapping[Place, int] | None = None
) -> Iterator[list[Record]]:
    reached: Any = ends if ends is not None else end_offsets(world, start)
    for place, offset in start.items():
        if records := world.log.partitions[place][max(offset, 0) : reached[place]]:
            pause()
            yield records
