"""Requests through all stages: how many a second (a), how long until `Approved` (b), and what one costs (e)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from bench.cost import cost, memory_bytes, postgres_by_client, written
from bench.load import Load, Result
from bench.steps import sampled
from bench.table import Found, Peer, Row, percentile
from postavka.app.one_box.launcher import Launch

DIRECT = 20
"""Of a hundred requests, direct sales: with an invoice and a payment instead of a distributor's word."""
SHARES = (25, 50, 75)
"""Per cent of the throughput at which the latency is measured."""
SMALL = 0.005
"""CPU-ms of a request, below which a line is not worth its place."""
SETTLE_SECONDS, BUSY_SECONDS, LONGEST_SETTLING = 5.0, 0.25, 600.0
"""At rest is who has spent less in so many seconds; letters and documents of what went before are made until then."""
DECIDERS = ("request", "approval", "billing", "shipping", "activation")
COMPLETED = "completed requests/s"
CORE = "the five stages, the desk, Kafka and PostgreSQL"
CORE_OF = (*DECIDERS, "desk", "kafka", "postgres")
WHOLE = "a request, everything but the load itself"


def load(launch: Launch, requests: int, rate: float | None = None) -> Result:
    """So many requests, at so many a second (None: as fast as they are taken)."""
    sender = Load(launch.config, direct=DIRECT)
    try:
        return sender.run(requests, rate)
    finally:
        sender.close()


def core(each: Mapping[str, float]) -> float:
    """The cost of those programs without which no request gets through, of costs by program."""
    return sum(each.get(name, 0.0) for name in CORE_OF)


def throughput(launch: Launch, requests: int) -> list[Row]:
    """(a) and the cost of it by process (e)."""
    before, sessions, disk, started = (
        cost(launch),
        postgres_by_client(launch.config),
        written(launch),
        time.perf_counter(),
    )
    walked = load(launch, requests)
    took = time.perf_counter() - started
    spent, of_postgres = cost(launch) - before, postgres_by_client(launch.config) - sessions
    each, disk = spent.per_request_ms(requests), written(launch) - disk
    rows = [
        Row("a", COMPLETED, requests / took, ""),
        Row("a", "events/s", walked.events / took, ""),
        Row("a", "events of one request", walked.events / requests, ""),
        Row("e", WHOLE, spent.whole * 1000 / requests, "CPU-ms"),
        Row("e", f"… of it {CORE}", core(each), "CPU-ms"),
    ]
    rows += [Row("e", f"… {name}", value, "CPU-ms") for name, value in each.items()]
    rows += [
        Row("e", "write-ahead log of a request", disk.wal / requests / 1000, "kB"),
        Row("e", "log on the broker of a request", disk.log / requests / 1000, "kB"),
    ]
    return rows + [
        Row("e", f"… postgres for {name}", value, "CPU-ms")
        for name, value in of_postgres.per_request_ms(requests).items()
        if value >= SMALL
    ]


def steps(launch: Launch, requests: int, names: Sequence[str] = DECIDERS) -> list[Row]:
    """The time of each step (e): where the time of these processes goes. Sampling costs time itself, so it has a run of
    its own."""
    pids = {name: launch.processes.pid(name) for name in names}
    with sampled(pids) as found:
        load(launch, requests)
    return [
        Row("e", f"{name}: {step}", seconds * 1000 / requests, "CPU-ms")
        for name, spent in found.items()
        for step, seconds in sorted(spent.items(), key=lambda pair: -pair[1])
        if seconds * 1000 / requests >= SMALL
    ]


def latency(launch: Launch, found: Found, seconds: float) -> list[Row]:
    """(b), from the moment at which a request was due until its `Approved` was read from the log."""
    whole = found.value("a", COMPLETED)
    assert whole, "latency is measured at a share of the throughput"
    rows = []
    for share in SHARES:
        rate = whole * share / 100
        taken = load(launch, max(100, int(rate * seconds)), rate).latencies_ms()
        rows += [
            Row("b", f"submit → `Approved` at {share} % of it, p{percent}", percentile(taken, percent), "ms")
            for percent in (50, 99, 99.9)
        ]
    return rows


def at_rest(launch: Launch, seconds: float = 60.0) -> list[Row]:
    """(g), when nothing has come for a while: what everything spends on waiting, and the memory it holds."""
    _settle(launch)
    before = cost(launch)
    time.sleep(seconds)
    spent = cost(launch) - before
    each = sorted(spent.seconds.items(), key=lambda pair: -pair[1])
    held = sorted(memory_bytes(launch).items(), key=lambda pair: -pair[1])
    minute = 60 / seconds
    return [
        Row("g", "at rest, everything, a minute", spent.whole * minute, "CPU-s"),
        *(Row("g", f"… {name}, a minute", value * minute, "CPU-s") for name, value in each if name != "bench"),
        Row("g", "at rest, memory of everything", sum(value for _, value in held) / 1e6, "MB"),
        *(Row("g", f"… memory of {name}", value / 1e6, "MB") for name, value in held),
    ]


def _settle(launch: Launch) -> None:
    ends = time.monotonic() + LONGEST_SETTLING
    while time.monotonic() < ends:
        before = cost(launch)
        time.sleep(SETTLE_SECONDS)
        spent = cost(launch) - before
        if all(spent.seconds.get(name, 0.0) < BUSY_SECONDS for name in launch.services):
            return


def beside(rows: list[Row], what: str, peers: Sequence[Peer]) -> None:
    """Put peers, measured later in the run, to a row."""
    for place, row in enumerate(rows):
        if row.what == what:
            rows[place] = Row(row.part, row.what, row.measured, row.unit, [*row.peers, *peers])
