"""What a service measures. Prometheus conventions: base units, `_total` for counters, no unbounded labels."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("postavka_events_total", "Events written to the event store", ["stage", "type"])
RECORDS = Counter("postavka_records_total", "Input records by what became of them", ["stage", "outcome"])
DEAD_LETTERS = Counter("postavka_dead_letters_total", "Records that could not be taken", ["stage", "code"])
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
REDONE = Counter("postavka_batches_redone_total", "Batches decided again because another worker was faster", ["stage"])
LAG = Gauge("postavka_lag_records", "Records of the assigned partitions that are not handled yet", ["stage"])
OLDEST_BATCH = Gauge("postavka_seconds_since_batch", "Seconds since the last batch was committed", ["stage"])
RELAYED = Counter("postavka_relayed_events_total", "Events published by this process's relay", ["stage"])
RELAY_DELAY = Gauge("postavka_relay_delay_events", "Events in the store that are not on the topic yet", ["stage"])
"""Measured by the active relay; a standby shows 0."""
