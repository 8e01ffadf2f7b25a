"""The `eventsourcing` library's own way: five applications in a `System`, run by its `MultiThreadedRunner` on
PostgreSQL. `python -m bench.peers.library REQUESTS` prints what it did as JSON; `measure` runs that in a process of its
own.

Nobody outside is asked: billing confirms by itself and shipping makes its kit by itself, so that this peer writes as
many events as the others with half their transactions and no Kafka at all.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import singledispatchmethod
from typing import Any
from uuid import UUID, uuid4

import orjson
import psutil
import psycopg
from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.domain import Aggregate, event
from eventsourcing.system import MultiThreadedRunner, ProcessApplication, System
from psycopg.conninfo import conninfo_to_dict

from bench.peers.faust_stages import Measured
from bench.peers.procedure import EVENTS, FACTS
from postavka.kernel.settings import Settings, database_url, environment, settings

SCHEMA = "peer_library"
PATIENCE_SECONDS = 240.0


class _OfRequest(Aggregate):
    """An aggregate that has the request's id in every application."""

    @staticmethod
    def create_id(request: UUID, facts: dict[str, str]) -> UUID:
        return request


class Request(_OfRequest):
    """What was asked for."""

    @event("RequestSubmitted")
    def __init__(self, request: UUID, facts: dict[str, str]) -> None:
        self.facts = facts


class Approval(_OfRequest):
    """The aggregate of approval: complete."""

    @event("Approved")
    def __init__(self, request: UUID, facts: dict[str, str]) -> None:
        self.facts = facts


class Bill(_OfRequest):
    """The aggregate of billing: confirmed or not."""

    @event("BillingOpened")
    def __init__(self, request: UUID, facts: dict[str, str]) -> None:
        self.facts = facts
        self.confirmed = False

    @event("DistributorConfirmed")
    def confirm(self, facts: dict[str, str]) -> None:
        """The distributor has confirmed."""
        self.confirmed = True


class Shipment(_OfRequest):
    """The aggregate of shipping: what was issued."""

    @event("ShippingOpened")
    def __init__(self, request: UUID, facts: dict[str, str]) -> None:
        self.issued = False

    @event("PermissionIssued")
    def permit(self, facts: dict[str, str]) -> None:
        """The permission is issued."""

    @event("DocumentIssued")
    def issue(self, facts: dict[str, str]) -> None:
        """A document is issued."""

    @event("ManufacturingOrdered")
    def order(self, facts: dict[str, str]) -> None:
        """The kit is ordered from the manufacturer."""

    @event("ShipmentIssued")
    def ship(self, facts: dict[str, str]) -> None:
        """The kit is shipped."""
        self.issued = True


class Delivery(_OfRequest):
    """The aggregate of activation: activated or not."""

    @event("DeliveryRegistered")
    def __init__(self, request: UUID, facts: dict[str, str]) -> None:
        self.active = False

    @event("Activated")
    def activate(self, facts: dict[str, str]) -> None:
        """The delivery is activated."""
        self.active = True


class Requests(Application[UUID]):
    """The first stage: takes commands."""

    def submit(self, request: UUID) -> None:
        """Save one request."""
        self.save(Request(request, FACTS))


class Approvals(ProcessApplication[UUID]):
    """The second stage: approves."""

    @singledispatchmethod
    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        """Approve each request; other events are passed over."""

    @policy.register
    def _(self, domain_event: Request.RequestSubmitted, processing_event: ProcessingEvent[UUID]) -> None:  # type: ignore[name-defined]
        processing_event.collect_events(Approval(domain_event.originator_id, domain_event.facts))


class Billing(ProcessApplication[UUID]):
    """The third stage: takes confirmations."""

    @singledispatchmethod
    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        """Bill each approval and confirm it; other events are passed over."""

    @policy.register
    def _(self, domain_event: Approval.Approved, processing_event: ProcessingEvent[UUID]) -> None:  # type: ignore[name-defined]
        bill = Bill(domain_event.originator_id, domain_event.facts)
        bill.confirm(domain_event.facts)
        processing_event.collect_events(bill)


class Shipping(ProcessApplication[UUID]):
    """The fourth stage: ships."""

    @singledispatchmethod
    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        """Ship what is confirmed; other events are passed over."""

    @policy.register
    def _(self, domain_event: Bill.DistributorConfirmed, processing_event: ProcessingEvent[UUID]) -> None:  # type: ignore[name-defined]
        shipment = Shipment(domain_event.originator_id, domain_event.facts)
        for step in (shipment.permit, shipment.issue, shipment.order, shipment.ship):
            step(domain_event.facts)
        processing_event.collect_events(shipment)


class Activation(ProcessApplication[UUID]):
    """The last stage: activates."""

    @singledispatchmethod
    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        """Activate what is shipped; other events are passed over."""

    @policy.register
    def _(self, domain_event: Shipment.ShipmentIssued, processing_event: ProcessingEvent[UUID]) -> None:  # type: ignore[name-defined]
        delivery = Delivery(domain_event.originator_id, domain_event.facts)
        delivery.activate(domain_event.facts)
        processing_event.collect_events(delivery)


def measure(config: Settings, requests: int) -> Measured:
    """So many requests through all five."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.peers.library", str(requests)],
        env={**os.environ, **environment(config)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=PATIENCE_SECONDS + 60,
    )
    return Measured(**orjson.loads(done.stdout))


def run(config: Settings, requests: int) -> Measured:
    """The same in this process."""
    url = database_url(config)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    parts = conninfo_to_dict(url)
    system = System(pipes=[[Requests, Approvals, Billing, Shipping, Activation]])
    runner: MultiThreadedRunner[Any] = MultiThreadedRunner(
        system,
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": str(parts["dbname"]),
            "POSTGRES_HOST": str(parts["host"]),
            "POSTGRES_PORT": str(parts["port"]),
            "POSTGRES_USER": str(parts["user"]),
            "POSTGRES_PASSWORD": str(parts["password"]),
            "POSTGRES_SCHEMA": SCHEMA,
        },
    )
    runner.start()
    spent = sum(psutil.Process().cpu_times()[:2])
    started = time.perf_counter()
    first, last = runner.get(Requests), runner.get(Activation)
    for _ in range(requests):
        first.submit(uuid4())
    while (last.recorder.max_notification_id() or 0) < 2 * requests:
        if time.perf_counter() - started > PATIENCE_SECONDS or runner.has_errored.is_set():
            raise TimeoutError("the library's runner has stopped or is late")
        time.sleep(0.02)
    took = time.perf_counter() - started
    cpu = sum(psutil.Process().cpu_times()[:2]) - spent
    runner.stop()
    return Measured(requests / took, requests * EVENTS / took, cpu * 1000 / requests)


if __name__ == "__main__":
    measured = run(settings(), int(sys.argv[1]))
    print(orjson.dumps(measured).decode())
