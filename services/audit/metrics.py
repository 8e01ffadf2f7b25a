"""The metrics of the service of audit beside those of every service."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

UNSIGNED = Gauge("postavka_audit_unsigned_events", "Events in the tree of a log that no checkpoint covers yet", ["log"])
UNSIGNED_SECONDS = Gauge(
    "postavka_audit_unsigned_seconds",
    "For how long a log has had events beyond its newest checkpoint; 0: none",
    ["log"],
)
BROKEN = Gauge("postavka_audit_broken_logs", "Logs that are not what was signed, and are signed no more")
ODDITIES = Counter("postavka_audit_oddities_total", "Records on a stage's topic that its relay can't have written")
