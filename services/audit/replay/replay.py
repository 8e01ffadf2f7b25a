"""Decide everything again on what is on record, and say where it would go otherwise now.

The deciders get recorded inputs and recorded facts, and nothing else: the processes that decide can't send anything
(`services.audit.replay.worker` shuts every way out before it begins), and their sessions are read-only. Partitions are
independent of one another, so that several processes share them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import psycopg
from psycopg.sql import SQL, Identifier

from postavka.kernel.errors import UserError
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.settings import PARTITIONS, Settings, database_url, environment
from postavka.kernel.store.queries import load_queries
from services.audit.consistent_cut import make_cut

QUERIES = load_queries("services.audit")

MARKED = "made by a replay"
MOST_TOLD = 1_000
"""Differences that are kept with their words; all are counted."""

OnProgress = Callable[[int], None]


class ReplayFailed(UserError):
    """A process of the replay ended badly; its error is above."""


class ForeignSchema(UserError):
    """The schema to write into is somebody else's."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that would go otherwise."""

    request: str
    stage: str
    input: str
    at: str
    then: tuple[str, ...]
    now: tuple[str, ...]
    first: str
    """The first event that differs, with its first fields."""
    position: int | None
    """In its stage; of the first event on record there."""
    corrected_by: str | None
    """Who has put the input in a dead letter's place, if operations did."""


@dataclass(slots=True)
class ReplayReport:
    """The result of a replay."""

    decisions: int = 0
    events: int = 0
    different: int = 0
    differences: list[Difference] = field(default_factory=list)
    """In the order of time; at most `MOST_TOLD`."""
    requests: dict[str, Difference] = field(default_factory=dict)
    """Every request that would go otherwise, with its first difference."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ReplayOrder:
    """The order of a replay: what to decide again. `speed`: how many times faster than it happened; None: as fast as it
    goes. `rules`: a module with deciders to put in place of those of this release. `into`: a schema for what is decided
    now."""

    since: datetime | None = None
    until: datetime | None = None
    speed: float | None = None
    rules: str | None = None
    into: str | None = None
    requests: tuple[str, ...] = ()


def replay(
    config: Settings,
    asked: ReplayOrder,
    on_progress: OnProgress = lambda decisions: None,
    shown: Callable[[dict[str, Any]], None] = lambda verdict: None,
    processes: int | None = None,
) -> ReplayReport:
    """Decide again what the order names, and compare with what was decided then. `on_progress` hears how many decisions
    are done; `shown` hears every verdict of a paced replay."""
    started = time.monotonic()
    if asked.into is not None:
        _prepare(config, asked.into)
    cut = make_cut(config)
    given = orjson.dumps(
        {
            "heads": cut.heads,
            "marks": cut.marks,
            "ends": [[topic, number, end] for (topic, number), end in cut.ends.items()],
            "since": asked.since,
            "until": asked.until,
            "speed": asked.speed,
            "rules": asked.rules,
            "into": asked.into,
            "requests": asked.requests,
        }
    )
    count = 1 if asked.speed is not None or asked.requests else processes or min(PARTITIONS, os.cpu_count() or 1)
    numbers = {partition_of(each.encode(), PARTITIONS) for each in asked.requests} or range(PARTITIONS)
    shares = [sorted(numbers)[first::count] for first in range(count)]
    report = ReplayReport()
    done: dict[int, int] = {}

    def run(share: Sequence[int]) -> list[dict[str, Any]]:
        found = []
        for line in _share(config, share, given):
            if "decisions" in line:
                done[share[0]] = line["decisions"]
                if "events" in line:
                    found.append(line)
            elif line.get("difference") is not None:
                found.append(line)
                shown(line)
            else:
                shown(line)
        return found

    with ThreadPoolExecutor(count) as pool:
        waiting = {pool.submit(run, share) for share in shares}
        while waiting:
            finished, waiting = wait(waiting, 0.2, FIRST_COMPLETED)
            for each in finished:
                for line in each.result():
                    _take(report, line)
            on_progress(sum(done.values()))
    report.differences.sort(key=lambda each: each.at)
    report.differences[MOST_TOLD:] = []
    report.requests = dict(sorted(report.requests.items(), key=lambda each: each[1].at))
    if asked.into is not None:
        _finish(config, asked.into, report)
    report.seconds = time.monotonic() - started
    return report


def _take(report: ReplayReport, line: dict[str, Any]) -> None:
    if "decisions" in line:
        report.decisions += line["decisions"]
        report.events += line["events"]
        return
    report.different += 1
    difference = Difference(
        line["request"],
        line["stage"],
        line["input"],
        line["at"],
        tuple(line["then"]),
        tuple(line["now"]),
        line["difference"],
        line["position"],
        line["corrected_by"],
    )
    report.differences.append(difference)
    known = report.requests.get(difference.request)
    if known is None or difference.at < known.at:
        report.requests[difference.request] = difference


def _share(config: Settings, partitions: Sequence[int], given: bytes) -> Iterator[dict[str, Any]]:
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "services.audit.replay.worker", ",".join(map(str, partitions))],
        env={**os.environ, **environment(config), "POSTAVKA_HOME": str(config.home.resolve())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
    try:
        process.stdin.write(given)
        process.stdin.close()
        finished = False
        for line in process.stdout:
            answer = orjson.loads(line)
            finished = finished or "events" in answer
            yield answer
        if process.wait() or not finished:
            raise ReplayFailed(f"a process of the replay ended with status {process.returncode}; its error is above")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


# The schema for what is decided now


def _prepare(config: Settings, schema: str) -> None:
    """Make the schema, or empty the one that an earlier replay made. Raises `ForeignSchema`."""
    with psycopg.connect(database_url(config)) as connection:
        row = connection.execute(QUERIES.made_by_replay, (schema,)).fetchone()
        if row is not None and row[0] != MARKED:
            raise ForeignSchema(f"the schema {schema} was not made by a replay: name one that does not exist")
        name = Identifier(schema)
        connection.execute(QUERIES.drop_schema.format(name))
        connection.execute(QUERIES.make_schema.format(name))
        connection.execute(SQL("COMMENT ON SCHEMA {} IS {}").format(name, MARKED))
        connection.execute(QUERIES.make_requests.format(name))
        connection.execute(QUERIES.make_differences.format(name))


def _finish(config: Settings, schema: str, report: ReplayReport) -> None:
    with psycopg.connect(database_url(config)) as connection:
        name = Identifier(schema)
        copy = QUERIES.copy_differences.format(name)
        with connection.cursor() as cursor, cursor.copy(copy) as rows:
            for each in report.differences:
                rows.write_row(
                    (
                        each.request,
                        each.stage,
                        each.input,
                        each.at,
                        list(each.then),
                        list(each.now),
                        each.first,
                        each.position,
                    )
                )
        connection.execute(QUERIES.index_requests.format(name))
