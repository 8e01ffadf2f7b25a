"""Histories of the simulated installation: made from a seed, or from a schedule, the list of what happened. A history
that breaks an invariant shrinks to the steps that it needs (`shortened`), and is written as a test (`as_test`)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from tests.simulation.actors import Violation
from tests.simulation.small_world import KINDS, REQUESTS
from tests.simulation.world import World, in_memory

STEPS = 220
STEP_SECONDS, TURN_SECONDS = 0.03, 0.3
"""How far the clock goes with a step, and with a turn of everybody at the end."""
TRIES = 12
"""Of finding somebody whose going on leads anywhere."""
MOST_TURNS = 400
"""Turns of everybody within which a history must come to rest."""
ASLEEP, LONGEST_SLEEP = 0.03, 80
"""How often somebody is paused, and for how many steps at most."""


class Step(NamedTuple):
    """One thing that happens. `go`: an actor goes on (`size`: how much its next fetch brings), or its process starts;
    `tell`: somebody sends a command; `crash`, `cut`: a process is killed, its sessions are ended; `assign`: partitions
    are dealt anew; `copy`, `restore`: a store is backed up, put back; `retry`: its dead letters are tried again;
    `land`: a record of a dead sender arrives."""

    kind: str
    who: str = ""
    size: int = 1


FAULTS = {"crash": 0.02, "cut": 0.02, "assign": 0.03, "copy": 0.02, "restore": 0.02, "retry": 0.02, "land": 0.05}
SIZES = (1, 1, 2, 3, 50)


@dataclass(frozen=True)
class Failure:
    """A history in which something went wrong, and what."""

    seed: int | None
    steps: list[Step]
    error: BaseException

    @property
    def kind(self) -> str:
        """What is said of it before any detail."""
        return f"{type(self.error).__name__}: {str(self.error).partition(':')[0]}"


def happens(world: World, step: Step) -> None:
    """Let it happen; where it can't, nothing does."""
    world.clock.now += STEP_SECONDS
    match step.kind:
        case "go":
            world.size = step.size
            world.start_or_go(step.who)
        case "tell":
            number, _, kind = step.who.partition(" ")
            world.tell(int(number), kind)
        case "crash":
            world.processes[step.who].kill()
        case "cut":
            world.processes[step.who].cut()
        case "assign":
            world.groups[step.who].assign(step.size)
        case "copy":
            world.copy(step.who)
        case "restore":
            world.restore(step.who)
        case "retry":
            world.retry(step.who)
        case "land":
            world.log.land()


def settle(world: World) -> None:
    """Nothing goes wrong any more, and everything comes to rest as it should. Raises `Violation`."""
    while world.log.in_flight:
        world.log.land()
    for group in world.groups.values():
        group.assign(0)
    world.size = 50
    for _ in range(MOST_TURNS):
        world.clock.now += TURN_SECONDS
        for name, process in world.processes.items():
            for who in (name, *(actor.name for actor in process.actors[1:])):
                if world.may_go(who):
                    world.start_or_go(who)
        if world.settled():
            world.invariants.settled()
            return
    raise Violation("it never comes to rest")


class Chance:
    """The scheduler: what happens next, by a seed. Each history has some kinds of faults only."""

    def __init__(self, seed: int, world: World) -> None:
        self._random = random.Random(seed)
        self._world = world
        self._faults = {kind: often for kind, often in FAULTS.items() if self._random.random() < 0.6}
        self._requests = self._random.randint(1, len(REQUESTS))
        self._asleep: dict[str, int] = {}
        self._count = 0
        self._processes = list(world.processes)
        self._names = [*self._processes, *(f"{each}/relay" for each in self._processes if not each.startswith("shown"))]
        schemas = list(world.databases)
        stages = [schema for schema in schemas if schema != "shown"]
        self._who = {"assign": schemas, "copy": schemas, "restore": schemas, "retry": stages, "land": [""]}

    def step(self) -> Step:
        """The next one."""
        chance, world = self._random, self._world
        self._count += 1
        roll = chance.random()
        for kind, often in self._faults.items():
            roll -= often
            if roll < 0:
                who = chance.choice(self._who.get(kind, self._processes))
                return Step(kind, who, chance.randrange(4) if kind == "assign" else 1)
        if roll < 0.1:
            return self._tell()
        for _ in range(TRIES):
            who = chance.choice(self._names)
            if self._asleep.get(who, 0) <= self._count and world.may_go(who):
                break
        else:
            return self._tell()
        if chance.random() < ASLEEP:
            self._asleep[who] = self._count + chance.randint(5, LONGEST_SLEEP)
        return Step("go", who, chance.choice(SIZES))

    def _tell(self) -> Step:
        return Step("tell", f"{self._random.randrange(self._requests)} {self._random.choice(KINDS)}")


def simulated(seed: int) -> tuple[list[Step], Failure | None]:
    """The history of a seed, and what went wrong in it."""
    world = World()
    chance = Chance(seed, world)
    steps: list[Step] = []

    def drawn() -> Iterator[Step]:
        for _ in range(STEPS):
            steps.append(chance.step())
            yield steps[-1]

    error = _wrong(world, drawn())
    return steps, None if error is None else Failure(seed, steps, error)


def replayed(steps: Sequence[Sequence[object]]) -> Failure | None:
    """What goes wrong in the history of a schedule."""
    schedule = [Step(*each) for each in steps]  # type: ignore[arg-type]
    error = _wrong(World(), schedule)
    return None if error is None else Failure(None, schedule, error)


def _wrong(world: World, steps: Iterable[Step]) -> Exception | None:
    try:
        for each in steps:
            happens(world, each)
        settle(world)
    except Exception as error:
        return error
    finally:
        for process in world.processes.values():
            process.kill()
    return None


def history_of(seed: int) -> list[Step]:
    """The schedule of a seed."""
    with in_memory():
        return simulated(seed)[0]


def first_failure(seeds: Iterable[int], tell: Callable[[int], None] = lambda seed: None) -> Failure | None:
    """The first of these seeds in whose history something goes wrong."""
    with in_memory():
        for seed in seeds:
            _, failure = simulated(seed)
            if failure is not None:
                return failure
            tell(seed)
    return None


def shortened(failure: Failure) -> Failure:
    """The same failure with steps left out, until each is needed."""
    with in_memory():
        return _shortened(failure)


def _shortened(failure: Failure) -> Failure:
    best = replayed(failure.steps)
    if best is None or best.kind != failure.kind:
        return failure
    share = len(best.steps) // 2
    while share:
        at = 0
        while at < len(best.steps):
            less = replayed(best.steps[:at] + best.steps[at + share :])
            if less is not None and less.kind == failure.kind:
                best = less
            else:
                at += share
        share //= 2
    for at, step in enumerate(best.steps):
        plain = replayed([*best.steps[:at], step._replace(size=1), *best.steps[at + 1 :]])
        if plain is not None and plain.kind == failure.kind:
            best = plain
    return Failure(failure.seed, best.steps, best.error)


def as_test(failure: Failure) -> str:
    """A test of this history, to be pasted."""
    lines = ""
    for step, again in groupby(failure.steps):
        count = len(list(again))
        told = tuple(step) if step.size != 1 else tuple(step[:2] if step.who else step[:1])
        lines += f"        *[{told!r}] * {count},\n" if count > 1 else f"        {told!r},\n"
    return f"def test_seed_{failure.seed}() -> None:\n    # {failure.error!s:.100}\n    holds_on(\n{lines}    )\n"


def holds_on(*steps: Sequence[object]) -> None:
    """Nothing goes wrong in the history of this schedule."""
    with in_memory():
        failure = replayed(steps)
    if failure is not None:
        raise failure.error
