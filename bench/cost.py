"""The cost of a run: CPU time by process, so that figures do not depend on who else uses the machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil
import psycopg

from postavka.app.one_box.launcher import Launch
from postavka.kernel.settings import Settings, database_url


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds, user and system together, by program. `bench` is the load itself."""

    seconds: Mapping[str, float]

    def __sub__(self, before: Cost) -> Cost:
        return Cost({name: spent - before.seconds.get(name, 0.0) for name, spent in self.seconds.items()})

    @property
    def whole(self) -> float:
        """All but the load."""
        return sum(spent for name, spent in self.seconds.items() if name != "bench")

    def per_request_ms(self, requests: int) -> dict[str, float]:
        """CPU milliseconds for each request, the dearest first."""
        each = {name: spent * 1000 / requests for name, spent in self.seconds.items()}
        return dict(sorted(each.items(), key=lambda pair: -pair[1]))


def cost(launch: Launch, servers: Iterable[str] = ("kafka", "postgres")) -> Cost:
    """What everything has spent until now. A program that was started anew begins at zero."""
    pids = {name: launch.processes.pid(name) for name in (*servers, *launch.services)}
    spent = {name: spent_by(pid) for name, pid in pids.items() if pid}
    return Cost({**spent, "bench": spent_by(psutil.Process().pid, children=False)})


def postgres_by_client(config: Settings) -> Cost:
    """What PostgreSQL has spent, by whom it worked for: the sessions of a service together, and its own processes
    (WAL writer, checkpointer …). A session that has ended is not counted."""
    with psycopg.connect(database_url(config)) as connection:
        sessions = connection.execute(
            "SELECT pid, coalesce(nullif(application_name, ''), backend_type) FROM pg_stat_activity"
        ).fetchall()
    seconds: dict[str, float] = {}
    for pid, name in sessions:
        try:
            seconds[name] = seconds.get(name, 0.0) + spent_by(pid, children=False)
        except psutil.NoSuchProcess:
            continue
    return Cost(seconds)


def spent_by(pid: int, children: bool = True) -> float:
    """CPU seconds of a process, with its living children and those that have ended."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    total = times.user + times.system
    if not children:
        return float(total)
    total += times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            of_child = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += of_child.user + of_child.system
    return float(total)


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes that were made durable: PostgreSQL's write-ahead log, and records on the broker (its own topics too)."""

    wal: int
    log: int

    def __sub__(self, before: Written) -> Written:
        return Written(self.wal - before.wal, self.log - before.log)


def written(launch: Launch) -> Written:
    """Everything that was written until now."""
    with psycopg.connect(database_url(launch.config)) as connection:
        row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
    assert row is not None
    return Written(int(row[0]), sum(each.stat().st_size for each in (launch.home / "kafka").rglob("*-*/*.log")))


def memory_bytes(launch: Launch) -> dict[str, int]:
    """Memory by program, with its children: the proportional set size (PSS), in which what several share is counted
    once."""
    pids = {name: launch.processes.pid(name) for name in ("kafka", "postgres", *launch.services)}
    return {
        name: sum(each.memory_full_info().pss for each in _family(pid)) for name, pid in pids.items() if pid is not None
    }


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
