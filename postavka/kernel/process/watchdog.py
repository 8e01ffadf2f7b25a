"""The watchdog of a service that reads partitions in batches. Told what it can't see, it says what is wrong, and ends
what does not get on though all servers answer (see `progress`). It keeps the figures of this for metrics and health."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import stamina

from postavka.kernel.process import metrics
from postavka.kernel.process.progress import Place, Progress, Servers
from postavka.kernel.process.usable_time import UsableTime

BUSY_SECONDS = 120.0
"""A batch that takes longer while PostgreSQL is not known to be away hangs: in a decider, or on a dead connection."""
PATIENCE_SECONDS = 300.0
"""PostgreSQL away for longer: the process ends (its supervisor starts it anew)."""
WATCH_SECONDS = 2.0
"""From one look to the next."""
KAFKA, POSTGRESQL = "Kafka", "PostgreSQL"
POSTGRESQL_AWAY: tuple[type[Exception], ...] = (psycopg.OperationalError, psycopg.InterfaceError)

T = TypeVar("T")


class NoProgress(RuntimeError):
    """Something does not get on though it could."""

    def __init__(self, what: str) -> None:
        super().__init__(f"no progress: {what}")


class Watchdog:
    """The watchdog of one process, which is called `name` in metrics."""

    def __init__(
        self,
        name: str,
        stall_seconds: float,
        *,
        turns: float = 1,
        many: int = 0,
        away: tuple[type[Exception], ...] = POSTGRESQL_AWAY,
    ) -> None:
        """`turns` and `many` are those of `Progress`; `away` is what is raised while PostgreSQL is away."""
        self.servers = Servers()
        self.progress = Progress(stall_seconds, turns, many)
        self.time = UsableTime()
        """By which progress is judged, and a batch at hand: who waits for a processor does not hang."""
        self.lag = 0
        """Records not handled yet."""
        self.last_batch = time.monotonic()
        self.busy_since: float | None = None
        self.away_at = -BUSY_SECONDS
        """When PostgreSQL was last found away, by that time: what was then tried again may hang by now."""
        self._name = name
        self._away = away

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A batch is at hand."""
        self.busy_since = self.time.now()
        try:
            yield
        finally:
            self.busy_since = None

    def handled(self, records: int, seconds: float) -> None:
        """A batch is done."""
        self.last_batch = time.monotonic()
        metrics.BATCH_RECORDS.labels(self._name).observe(records)
        metrics.BATCH_SECONDS.labels(self._name).observe(seconds)

    def patiently(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call again while PostgreSQL is away. Nothing is lost: the batch stays here; marks say what was written."""
        for attempt in stamina.retry_context(on=self._away, timeout=PATIENCE_SECONDS, attempts=None, wait_max=2.0):
            with attempt:
                try:
                    result = function(*arguments)
                    self.servers.answered(POSTGRESQL)
                    return result
                except self._away as away:
                    self.away_at = self.time.now()
                    self.servers.silent(POSTGRESQL, time.monotonic(), away)
                    raise
        raise AssertionError("unreachable")

    def not_seen(self, server: str, why: object) -> None:
        """A look has failed: this server has not answered, and nobody can be blamed meanwhile."""
        self.time.look()
        self.servers.silent(server, time.monotonic(), why)
        self.progress.forgive()

    def see(self, ends: Mapping[Place, int], handled: Mapping[Place, int]) -> None:
        """A look: `ends` and `handled` as `Progress` takes them. Raises `NoProgress`."""
        self.time.look()
        now = self.time.now()
        self.lag = Progress.lag(ends, handled)
        metrics.LAG.labels(self._name).set(self.lag)
        metrics.OLDEST_BATCH.labels(self._name).set(time.monotonic() - self.last_batch)
        stalled = self.progress.see(now, ends, handled)
        metrics.STANDSTILL.labels(self._name).set(self.progress.standstill(now))
        if not self.may_judge():
            return
        if self.busy_since is not None:  # a batch at hand may take its time
            moved = max(self.busy_since, self.away_at)
            if now - moved > BUSY_SECONDS:
                raise NoProgress(f"one batch for {now - moved:.0f} s")
        elif stalled is not None:
            raise NoProgress(stalled)

    def may_judge(self) -> bool:
        """Do all servers answer, or have they had their time to?"""
        return self.servers.all_answer or self.time.now() - self.away_at > BUSY_SECONDS

    def trouble(self) -> str | None:
        """What is wrong, as a sentence; None while all is well."""
        return self.servers.trouble(time.monotonic()) or self.progress.trouble(self.time.now())

    def details(self) -> dict[str, Any]:
        """Its figures for `/healthz`."""
        return {
            "lag_records": self.lag,
            "standstill_seconds": round(self.progress.standstill(self.time.now()), 1),
            "stall_seconds": self.progress.patience,
            "seconds_since_batch": round(time.monotonic() - self.last_batch, 1),
        }
