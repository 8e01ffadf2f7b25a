"""(f) Does a request cost the same when a million lie in the stores, and when every stage has a second worker?

Stores and topics are filled with copies of real requests (`bench/many.py`) while the services stand still, and read
models are built anew. Then services start as after any stop, and when those who read have read it all, real requests go
through.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier

from bench.cost import Cost, cost, postgres_by_client, spent_by, written
from bench.many import Model, model_of, multiply
from bench.table import Row
from bench.walk import COMPLETED, CORE, CORE_OF, DECIDERS, core, load
from postavka.app.one_box.launcher import Launch
from postavka.kernel.projection.rebuild import rebuild
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import database_url, environment
from services.cabinet.rebuild import MODEL as CABINET
from services.payments.projection import MODEL as PAYMENTS

WARM_UP = 300
LEFT_OUT = ("papers", "notices")
"""They would render and write for hours what copied requests have not had yet, and what one costs does not grow."""
WATCH_SECONDS = 3.0
"""A service looks at its own lag every two seconds."""


def models(launch: Launch, count: int = 20) -> list[Model]:
    """Real requests to copy, of both channels."""
    walked = load(launch, 2 * count)
    return [model_of(launch.config, UUID(request)) for request in list(walked.sent)[count // 2 : count // 2 + count]]


def fill(launch: Launch, these: Sequence[Model], events: int, keep: Sequence[str] = ()) -> None:
    """Add about so many events to what is there. Services stand still afterwards, but for those to keep."""
    for name in launch.services:
        if name not in keep:
            launch.processes.stop(name)
    multiply(launch.config, these, events)


def growth(launch: Launch, sizes: Sequence[int], requests: int, progress: Spoken) -> list[Row]:
    """What a request costs at each size (requests in the stores), then with two workers of each stage."""
    rows = []
    with progress.step("real requests to copy"):
        these = models(launch)
    each = sum(piece.position is not None for model in these for piece in model.pieces) / len(these)
    for size in sizes:
        with progress.step(f"{size:,} requests in the stores"):
            fill(launch, these, int((size - stored(launch)) * each))
            for model in (CABINET, PAYMENTS):  # to follow from far behind takes them ten times as long
                rebuild(launch.config, model)
            for name in launch.services:
                if name not in LEFT_OUT:
                    launch.processes.start(name)
            wait_until_read(launch)
            load(launch, WARM_UP)
        with progress.step(f"{requests} requests on top of {size:,}"):
            rows += measured(launch, requests, f"{size:,} in the stores")
    with progress.step(f"{requests} requests, two workers a stage"), seconds_of_each_stage(launch) as pids:
        load(launch, WARM_UP)
        rows += measured(launch, requests, "two workers a stage", pids)
    return rows


def measured(launch: Launch, requests: int, where: str, besides: Sequence[int] = ()) -> list[Row]:
    """Requests a second and CPU milliseconds of one, with those of further processes."""
    sessions = of_stages(postgres_by_client(launch.config))
    before, others, disk = cost(launch), sum(map(spent_by, besides)), written(launch)
    started = time.perf_counter()
    load(launch, requests)
    took = time.perf_counter() - started
    disk = written(launch) - disk
    each = (cost(launch) - before).per_request_ms(requests)
    second = (sum(map(spent_by, besides)) - others) * 1000 / requests
    sessions = (of_stages(postgres_by_client(launch.config)) - sessions) * 1000 / requests
    return [
        Row("f", f"{COMPLETED}, {where}", requests / took, ""),
        Row("f", f"{CORE}, {where}", core(each) + second, "CPU-ms"),
        *(Row("f", f"… {name}, {where}", value, "CPU-ms") for name, value in each.items() if name in CORE_OF),
        Row("f", f"… of postgres the sessions of the stages, {where}", sessions, "CPU-ms"),
        Row("f", f"write-ahead log of a request, {where}", disk.wal / requests / 1000, "kB"),
    ]


def of_stages(sessions: Cost) -> float:
    """CPU seconds of PostgreSQL that went into writing, loading and publishing events."""
    return sum(sessions.seconds.get(f"postavka-{name}", 0.0) for name in DECIDERS)


def wait_until_read(launch: Launch, seconds: float = 1_800) -> None:
    """Wait until those who follow the log have read what was put there. Raises `TimeoutError`."""
    ends = time.monotonic() + seconds
    names = [name for name in launch.services if name not in LEFT_OUT]
    looks = 0
    while looks < 2:  # a service that has just begun does not know its lag yet
        if time.monotonic() > ends:
            raise TimeoutError(f"not everything was read within {seconds:.0f} s")
        read = all((launch.health(name) or {"lag_records": 1}).get("lag_records", 0) == 0 for name in names)
        looks = looks + 1 if read else 0
        time.sleep(WATCH_SECONDS)


def stored(launch: Launch) -> int:
    """Requests in the first store."""
    with psycopg.connect(database_url(launch.config)) as connection:
        row = connection.execute(SQL("SELECT position FROM {}.head").format(Identifier(DECIDERS[0]))).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def seconds_of_each_stage(launch: Launch) -> Iterator[list[int]]:
    """A second worker beside the first, for each stage; gives their process ids."""
    env = {**os.environ, **environment(launch.config), "POSTAVKA_WORKER": "second", "POSTAVKA_HTTP_PORT": "0"}
    env["POSTAVKA_HOME"] = str(launch.home.resolve())
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", f"services.{name}"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for name in DECIDERS
    ]
    try:
        yield [each.pid for each in workers]
    finally:
        for each in workers:
            each.terminate()
        for each in workers:
            each.wait(30)
