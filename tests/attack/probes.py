"""Foreign probes: every route of the application with another tenant's ids, as everybody to whom they do not belong,
with the ids spelt as clients and thieves spell them, and with every method."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from random import Random
from typing import Any
from urllib.parse import quote, unquote

import httpx2

from tests.web.knocking import OWNERS, Actor, fill, knock, may
from tests.web.matrix import MATRIX, Case

SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "capitals": str.upper,
    "no hyphens": lambda text: text.replace("-", ""),
    "braces": lambda text: quote(f"{{{text}}}"),
    "urn": lambda text: quote(f"urn:uuid:{text}", safe=""),
    "percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "blank": lambda text: f"{text}%20",
    "NUL": lambda text: f"{text}%00",
    "parameter": lambda text: f"{text};a=b",
    "up and down": lambda text: f"x%2f..%2f{text}",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
LEFT_OUT = {
    *("POST /sign-in", "POST /sign-out", "POST /account/sessions/end-others", "POST /account/password"),
    *("POST /account/tokens", "POST /letters/off"),
    *("POST /activate", "POST /api/v1/public/activations"),
    *("POST /api/v1/requests", "POST /requests/new/{request_type}"),
}
"""Left to those who may: it changes their own affairs, not another's, or has bounds of its own."""
READERS = {"lukomor", "ops", "auditor"}
"""Who may read the victims' letters."""
ASKED = ("q", "search", "request_id", "text", "after", "cursor", "permission")
"""Parameters of an address into which another's id or number is put."""


LONGEST_WAIT_SECONDS, TRIES = 10.0, 20


@dataclass(frozen=True, slots=True)
class Victim:
    """What belongs to somebody else: ids for addresses, and what must never be shown."""

    things: Mapping[str, str]
    numbers: Sequence[str]
    """Under which it can be looked for."""
    marks: Sequence[str]
    """Words of it that stand nowhere else."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One knock that must be in vain. `closed`: this actor has no business behind this door."""

    actor: Actor
    name: str
    case: Case
    method: str
    path: str
    kind: str
    closed: bool
    params: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        asked = "".join(f"&{name}={value}" for name, value in self.params.items())
        way = "token" if self.actor.program else "browser"
        return f"{self.actor.name} ({way}) {self.method} {self.path}{asked.replace('&', '?', 1)}"


def probes(seed: int, actors: Sequence[Actor], victims: Sequence[Victim]) -> Iterator[Probe]:
    """Without end, in an order of the seed's: every door, spelling and method for every actor comes in its turn."""
    chance = Random(seed)
    while True:
        wanted = [*product(actors, sorted(MATRIX))]
        chance.shuffle(wanted)
        for actor, name in wanted:
            yield from _of_route(actor, name, chance.choice(victims), chance)


def _of_route(actor: Actor, name: str, victim: Victim, chance: Random) -> Iterator[Probe]:
    case, (own, path) = MATRIX[name], name.split()
    if name in LEFT_OUT and actor.role in case.roles:
        return
    if "{" not in path:
        if actor.role not in case.roles:
            yield Probe(actor, name, _about(case, victim), own, path, "another role's", True)
        elif actor.name not in OWNERS:
            sought = chance.choice((*victim.numbers, victim.things["request_id"]))
            asked = {chance.choice(ASKED): sought} if own == "GET" else {}
            yield Probe(actor, name, _about(case, victim), own, path, "asked about it", False, asked)
        return
    if may(actor, case, path) and not (path == "/letters/{id}" and actor.name not in READERS):
        return
    for kind, spelt in (("as it is", str), *chance.sample(sorted(SPELLINGS.items()), 2)):
        address = fill(path, {key: spelt(each) if key.endswith("id") else each for key, each in victim.things.items()})
        yield Probe(actor, name, case, own, address, f"id: {kind}", True)
    others = [each for each in METHODS if each != own and f"{each} {path}" not in MATRIX]
    if own != "GET":
        others.remove("HEAD")
    yield Probe(actor, name, case, chance.choice(others), fill(path, victim.things), "another method", True)


def _about(case: Case, victim: Victim) -> Case:
    """Its body about the victim."""
    request_id = victim.things["request_id"]
    if case.json and "answers" in case.json:
        return replace(case, json={"answers": [{"request_id": request_id, "accepted": True}]})
    if case.form is not None:
        return replace(case, form={**case.form, "request_id": request_id})
    return case


@dataclass
class Outcome:
    """What the probes have shown."""

    knocked: Counter[str] = field(default_factory=Counter)
    """By kind."""
    answered: Counter[int] = field(default_factory=Counter)
    """By status."""
    opened: list[str] = field(default_factory=list)
    """Probes that were not in vain, with what they showed."""


def try_all(wanted: Iterator[Probe], count: int, marks: Sequence[str], go_on: Callable[[], bool]) -> Outcome:
    """So many of them, or until told to stop."""
    outcome = Outcome()
    for probe in islice(wanted, count):
        if not go_on():
            break
        answer = _patiently(probe)
        outcome.knocked[probe.kind] += 1
        outcome.answered[answer.status_code] += 1
        if wrong := judged(probe, answer, marks):
            outcome.opened.append(f"{probe}: {wrong}")
    return outcome


def _patiently(probe: Probe) -> httpx2.Response:
    """Its answer. Bounds on calls, and a machine that is busy with something else, are of no interest here: what they
    put off is tried again."""
    values: dict[str, Any] = {"params": dict(probe.params)} if probe.params else {}
    for left in reversed(range(TRIES)):
        try:
            answer = knock(probe.actor, probe.case, probe.method, probe.path, **values)
        except httpx2.TimeoutException:
            if not left:
                raise
            continue
        if answer.status_code not in (429, 503):
            break
        time.sleep(min(float(answer.headers.get("retry-after", "1")), LONGEST_WAIT_SECONDS))
    return answer


def judged(probe: Probe, answer: httpx2.Response, marks: Sequence[str]) -> str:
    """What is wrong with this answer; nothing if it says nothing of another's."""
    if answer.status_code >= 500:
        return f"{answer.status_code}: a failure"
    if probe.closed and answer.is_success:
        return f"{answer.status_code}: a door that is closed to {probe.actor.role}"
    said = f"{answer.headers}" + ("" if probe.case.stream and answer.status_code == 200 else answer.text)
    shown = [mark for mark in marks if mark in said and mark not in unquote(probe.path)]
    return f"it shows {shown[0]}" if shown else ""
