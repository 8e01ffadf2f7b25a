"""What goes wrong, and when: a list of faults drawn from a seed. Pure: the same seed draws the same list.

A fault is written in one line, which is also how a regression schedule is kept:

    12.0 pause billing 20      at second 12 billing is stopped (SIGSTOP), and goes on 20 seconds later
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

STAGES = ("request", "approval", "billing", "shipping", "activation", "renewal")
SERVICES = (
    *(*STAGES, "cabinet", "papers", "payments", "notices", "desk", "timer", "feed", "webhooks"),
    *("ops", "web", "audit"),
)
OF_THE_PROCEDURE = (*STAGES, "timer", "cabinet", "desk")
"""Without them no request comes to its end and nobody sees it."""
SERVERS = ("kafka", "postgres")
OLD = ("approval", "activation")
"""Services that can also run as an older release (`tests/system/old_release.py`)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `at` and `seconds` in seconds: when it begins, and how long it lasts (0: it is over at once)."""

    at: float
    kind: str
    target: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.at:g} {self.kind} {self.target} {self.seconds:g}"

    @classmethod
    def read(cls, line: str) -> Fault:
        """From its line. Raises `ValueError`."""
        at, kind, target, seconds = (*line.split(), "0")[:4]
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of fault: {', '.join(KINDS)}")
        return cls(float(at), kind, target, float(seconds))


@dataclass(frozen=True, slots=True)
class Kind:
    """`weight`: how often it is drawn beside others; `targets`: one of them is drawn; `seconds`: from, to."""

    weight: int
    targets: Sequence[str]
    seconds: tuple[float, float] = (0.0, 0.0)
    what: str = ""


KINDS = {
    "kill": Kind(10, SERVICES, what="kill -9; its supervisor starts it anew"),
    "terminate": Kind(4, SERVICES, what="SIGTERM; its supervisor starts it anew"),
    "restart": Kind(3, SERVICES, what="stopped and started"),
    "pause": Kind(8, SERVICES, (1, 25), "SIGSTOP, then SIGCONT: a zombie when its session has ended meanwhile"),
    "crash": Kind(3, SERVERS, what="kill -9 of a server"),
    "reboot": Kind(2, SERVERS, (0, 15), "a server is stopped, and started after that time"),
    "freeze": Kind(3, SERVERS, (1, 15), "SIGSTOP of a whole server, then SIGCONT"),
    "sessions": Kind(3, ("postgres",), what="every session is ended by the server: a relay loses its lock"),
    "cut": Kind(4, SERVERS, (0, 5), "connections are reset; new ones as well for that time"),
    "delay": Kind(3, SERVERS, (5, 20), "every answer and request takes 0.1 to 1 s longer"),
    "dark": Kind(4, SERVERS, (2, 20), "half-open: connections are accepted and nothing passes; all of it passes later"),
    "mute": Kind(3, SERVERS, (2, 10), "requests arrive, answers do not; then the connections are reset"),
    "lose": Kind(2, SERVERS, (1, 5), "connections of that time pass nothing ever again, and are never closed"),
    "join": Kind(6, STAGES, (5, 25), "a second worker joins and leaves: two rebalances"),
    "old": Kind(2, OLD, (8, 25), "a second worker of an older release joins and leaves"),
    "full": Kind(2, SERVERS, (3, 12), "the server's disk is full"),
    "clock": Kind(4, SERVICES, (3, 15), "its clock is wrong, by minutes or by a day, and is put right"),
}


def draw(
    seed: int, seconds: float, every: float, kinds: Iterable[str] = KINDS, services: Sequence[str] = SERVICES
) -> tuple[Fault, ...]:
    """Faults of these services and the servers for so many seconds, one every `every` seconds or so. All are over by
    the end."""
    chance = Random(seed)
    names = list(kinds)
    weights = [KINDS[name].weight for name in names]
    found: list[Fault] = []
    at = every / 2
    while at < seconds - 1:
        name = chance.choices(names, weights)[0]
        kind = KINDS[name]
        target = chance.choice([each for each in kind.targets if each in services or each in SERVERS])
        lasts = min(round(chance.uniform(*kind.seconds), 1), seconds - at)
        found.append(Fault(round(at, 1), name, target, round(lasts, 1)))
        at += every * chance.uniform(0.5, 1.5)
    return tuple(found)


def read_schedule(text: str) -> tuple[Fault, ...]:
    """A schedule from its lines; `#` begins a comment. Raises `ValueError`."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(Fault.read(line) for line in lines if line)
