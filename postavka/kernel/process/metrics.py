"""The metrics of a service. Prometheus conventions: base units, `_total` for counters, no unbounded labels."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from prometheus_client import Counter, Gauge, Histogram, Info

EVENTS = Counter("postavka_events_total", "Events written to the event store", ["stage", "type"])
RECORDS = Counter("postavka_records_total", "Input records by what became of them", ["stage", "outcome"])
DEAD_LETTERS = Counter("postavka_dead_letters_total", "Records that could not be taken", ["stage", "code"])
REFUSALS = Counter("postavka_refusals_total", "Reasons given in events that say no, by code", ["stage", "code"])
BATCH_RECORDS = Histogram(
    "postavka_batch_records", "Records handled in one transaction", ["stage"], buckets=(1, 3, 10, 30, 100, 300, 1000)
)
BATCH_SECONDS = Histogram("postavka_batch_seconds", "Time from taking a batch to its commit", ["stage"])
CAUSE_SECONDS = Histogram(
    "postavka_cause_to_event_seconds",
    "Time from a cause to the event that follows from it, by their clocks",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
REDONE = Counter(
    "postavka_batches_redone_total", "Batches decided again since the store had more than was remembered", ["stage"]
)
LAG = Gauge("postavka_lag_records", "Records of the assigned partitions that are not handled yet", ["stage"])
OLDEST_BATCH = Gauge("postavka_last_batch_age_seconds", "Seconds since the last batch was committed", ["stage"])
RELAYED = Counter("postavka_relayed_events_total", "Events published by this process's relay", ["stage"])
RELAY_DELAY = Gauge("postavka_relay_delay_events", "Events in the store that are not on the topic yet", ["stage"])
"""Measured by the active relay; a standby shows 0."""
STANDSTILL = Gauge(
    "postavka_standstill_seconds",
    "Longest time that a partition with records waiting has stood still; the watchdog ends it",
    ["stage"],
)
TROUBLE = Gauge("postavka_trouble", "1 while the service says on /healthz that something is wrong", ["stage"])
POOL = Gauge("postavka_pool_connections", "Connections to PostgreSQL, by what they do", ["stage", "state"])
POOL_WAITING = Gauge("postavka_pool_requests_waiting", "Threads that wait for a connection to PostgreSQL", ["stage"])
REQUEST_SECONDS = Histogram(
    "postavka_request_seconds",
    "Time from a request's submission to a milestone, by the events' clocks, as the cabinet folds them in",
    ["until"],
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 86_400, 604_800, 2_592_000),
)
Info("postavka_build", "The release that runs").info({"version": version("postavka")})


def note_pool(stage: str, stats: Mapping[str, int]) -> None:
    """What psycopg's pool says of itself."""
    size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
    POOL.labels(stage, "idle").set(idle)
    POOL.labels(stage, "busy").set(size - idle)
    POOL_WAITING.labels(stage).set(stats.get("requests_waiting", 0))
