"""One share of a replay, in a process of its own: `python -m services.audit.replay.worker 0,2,4`; what to replay comes
as JSON on its input, verdicts go as JSON lines to its output.

Nothing leaves this process but its answers. Before anything is decided, every way out is shut for good: a producer
can't be made, Python opens no socket and starts no program (an audit hook, which can't be taken off again), and
PostgreSQL keeps its session from writing. Only rows for the schema of `--into` are written, by a session of their own.
"""

from __future__ import annotations

import gc
import importlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, NoReturn
from uuid import UUID

import aiokafka
import confluent_kafka
import orjson
import psycopg
from psycopg.sql import Identifier

from events.envelope import rfc3339
from events.registry import read_fields
from postavka.kernel.settings import Settings, database_url, settings
from postavka.kernel.stage.definition import Input, Stage
from postavka.kernel.store.queries import load_queries
from services.audit.consistent_cut import Cut
from services.audit.reading import corrections_made, reading, stages_there, topics_there
from services.audit.replay.decision_log import Lane, Log, RecordedStep, lanes_of
from services.audit.replay.recorded_facts import STAGES, RecordedFacts
from services.audit.replay.redecision import DeadLetterVerdict, Redecision, Rules, Verdict
from services.cabinet.fold import UNSHOWN, Row, fold
from services.cabinet.table import copy_rows

QUERIES = load_queries("services.audit")

TELL_EVERY = 2_000
Work = tuple[int, Callable[[], Verdict]]


class SentNothing(RuntimeError):
    """Something tried to send during a replay: a defect of the decider, which must be pure."""


def shut() -> None:
    """Shut every way out of this process."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise SentNothing("a replay sends nothing: a decider must be pure")

    producers = (confluent_kafka.Producer, aiokafka.AIOKafkaProducer)
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if any(value is producer for producer in producers):
                setattr(module, name, refuse)

    def watch(event: str, _: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "subprocess.Popen", "os.system", "os.exec"):
            raise SentNothing(f"{event}: a replay sends nothing: a decider must be pure")

    sys.addaudithook(watch)


def main(config: Settings, partitions: list[int], given: dict[str, Any]) -> None:
    """Replay one share, and write verdicts."""
    gc.disable()
    cut = Cut(given["heads"], given["marks"], {(topic, number): end for topic, number, end in given["ends"]}, ())
    stages = {stage.name: (stage, stage.inputs()) for stage in STAGES if stage.name in cut.heads}
    rules = rules_of(stages, given["rules"])
    with reading(config) as connection:
        letters = _letters(connection)
        corrections = corrections_made(connection)
    shut()
    again = Redecision(rules, RecordedFacts(database_url(config)).of, letters, corrections)
    log = Log(config, cut, topics_there(config), partitions)
    since, until = _milliseconds(given["since"]), _milliseconds(given["until"])
    only = {UUID(each) for each in given["requests"]}

    def wanted(step: RecordedStep) -> bool:
        return (since is None or step.at_ms >= since) and (until is None or step.at_ms <= until)

    def lanes(numbers: Iterable[int]) -> Iterator[Lane]:
        for number in numbers:
            for lane in lanes_of(log, log.partition(number), stages, cut):
                if not only or lane.subject in only:
                    yield lane

    work: Iterator[Work] = (each for lane in lanes(partitions) for each in again.lane(lane, wanted))
    if given["speed"] is not None:
        work = _paced(sorted(work, key=lambda each: each[0]), given["speed"])
    writer = _Telling(given["speed"] is not None, given["into"])
    for _, decide in work:
        writer.take(decide())
    writer.end(config)


def rules_of(stages: Mapping[str, tuple[Stage, Sequence[Input]]], module: str | None) -> dict[str, Rules]:
    """The deciders of this release, or in the place of some those of a module: `approval` in it is anything with
    `decide` and, if the state is another one, `evolve` and `INITIAL`."""
    other: ModuleType | None = importlib.import_module(module) if module else None
    rules = {}
    for name, (stage, feeds) in stages.items():
        instead = getattr(other, name, None)
        rules[name] = Rules(
            stage,
            {feed.topic: feed for feed in feeds},
            getattr(instead, "decide", stage.decide),
            getattr(instead, "evolve", stage.evolve),
            getattr(instead, "INITIAL", stage.initial),
        )
    return rules


class _Telling:
    def __init__(self, everything: bool, into: str | None) -> None:
        self._everything = everything
        self._into = into
        self._rows: dict[UUID, Row] = {}
        self._decisions = 0
        self._events = 0

    def take(self, verdict: Verdict) -> None:
        self._decisions += 1
        self._events += len(verdict.past)
        if verdict.difference is not None or self._everything:
            _say(
                {
                    "request": str(verdict.subject),
                    "stage": verdict.stage,
                    "input": verdict.coordinates,
                    "at": rfc3339(datetime.fromtimestamp(verdict.at_ms / 1000, UTC)),
                    "then": verdict.then,
                    "now": verdict.now,
                    "difference": verdict.difference,
                    "position": verdict.position,
                    "corrected_by": verdict.corrected_by,
                }
            )
        if self._into is not None:
            self._fold(verdict)
        if self._decisions % TELL_EVERY == 0:
            _say({"decisions": self._decisions})

    def _fold(self, verdict: Verdict) -> None:
        """What is decided now, as the cabinet would show it: under the times and positions on record where there are
        such."""
        for number, (type_name, body) in enumerate(verdict.events):
            newest, fields = read_fields(type_name, body)
            if newest in UNSHOWN:
                continue
            past = verdict.past[min(number, len(verdict.past) - 1)] if verdict.past else None
            time = past.time if past else rfc3339(datetime.fromtimestamp(verdict.at_ms / 1000, UTC))
            row = self._rows.setdefault(verdict.subject, {})
            fold(row, verdict.stage, newest, fields, time, past.position if past else 0)

    def end(self, config: Settings) -> None:
        if self._into is not None:
            with psycopg.connect(database_url(config), application_name="postavka-replay") as connection:
                connection.execute(QUERIES.use_schema.format(Identifier(self._into)))
                copy_rows(connection, self._rows, "requests")
        _say({"decisions": self._decisions, "events": self._events})


def _paced(work: Iterable[Work], speed: float) -> Iterator[Work]:
    began, first = time.monotonic(), None
    for at, decide in work:
        first = at if first is None else first
        pause = (at - first) / 1000 / speed - (time.monotonic() - began)
        if pause > 0:
            time.sleep(pause)
        yield at, decide


def _letters(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], DeadLetterVerdict]:
    found = {}
    for stage in stages_there(connection):
        query = QUERIES.dead_letter_reasons.format(Identifier(stage))
        for topic, partition, offset, code, reason in connection.execute(query):
            found[stage, f"{topic}/{partition}/{offset}"] = DeadLetterVerdict(code, reason)
    return found


def _milliseconds(moment: str | None) -> int | None:
    return None if moment is None else int(datetime.fromisoformat(moment).timestamp() * 1000)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(settings(), [int(number) for number in sys.argv[1].split(",")], orjson.loads(sys.stdin.buffer.read()))
