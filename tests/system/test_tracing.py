"""One trace from the command to the row of the cabinet, through all stages (W3C Trace Context on every record)."""

from __future__ import annotations

import json
import secrets
from typing import Any
from uuid import uuid4

from tests.system.conftest import System, wait_until
from tests.system.traffic import DISTRIBUTOR, PARTNER, REQUEST_TYPE

STAGES = ("request", "approval", "billing", "shipping", "cabinet")


def test_one_click_is_followed_through_all_stages(system: System) -> None:
    trace, click = secrets.token_hex(16), secrets.token_hex(8)
    request_id = submit(system, traceparent=f"00-{trace}-{click}-01")

    def services() -> set[str]:
        return {span.service.removeprefix("postavka-") for span in system.collector.of(trace)}

    wait_until(lambda: services() >= set(STAGES), f"spans of {STAGES}")

    def hang_together() -> bool:
        found = system.collector.of(trace)
        return {span.parent for span in found} <= {span.id for span in found} | {click}

    wait_until(hang_together, "every step hangs on another one, the first on the click")
    spans = system.collector.of(trace)
    assert [span.name for span in spans if span.parent == click] == ["request SubmitRequest.v1"]
    assert all(span.start_ns <= span.end_ns for span in spans)
    approved = next(span for span in spans if span.name.startswith("billing Approved."))
    asked = next(span for span in spans if span.id == approved.parent)
    assert asked.service == "postavka-approval"
    # The same trace is on everything that follows by itself, also on what a sweep reports later: the renderings.
    assert {line["trace"].split("-")[1] for line in until_on_the_log(system, request_id, "DocumentRendered")} == {trace}


def test_a_kit_and_what_follows_from_it_go_on_in_the_trace_of_the_order(system: System) -> None:
    """Also where the department stands between: what answers a record carries its trace."""
    trace, click = secrets.token_hex(16), secrets.token_hex(8)
    traffic = system.traffic()
    request_id = submit(system)
    until_on_the_log(system, request_id, "PermissionIssued")
    word = {"request_id": request_id, "confirmation_id": f"c-{request_id}", "accepted": True}
    topic = f"distributors.{DISTRIBUTOR}.confirmations"
    traffic.send(topic, request_id, "DistributorConfirmation.v1", word, traceparent=f"00-{trace}-{click}-01")
    traffic.flush()
    lines = until_on_the_log(system, request_id, "ShipmentIssued")
    of = {line["type"].partition(".")[0]: line["trace"].split("-")[1] for line in lines if line["trace"]}
    assert {of[name] for name in ("DistributorConfirmed", "ManufacturingOrdered", "ShipmentIssued")} == {trace}


def until_on_the_log(system: System, request_id: str, last: str) -> list[dict[str, Any]]:
    """All events of a request, when one of this type is among them."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        tail = system.cli("log", "tail", "--request", request_id, "--since", "1h", "--no-follow", "--json")
        found[:] = [json.loads(line) for line in tail.splitlines()]
        return any(line["type"].startswith(f"{last}.") for line in found)

    wait_until(there, f"{last} of {request_id}")
    return found


def submit(system: System, **headers: str) -> str:
    """A request that nothing is wrong with; returns its id."""
    request_id = str(uuid4())
    traffic = system.traffic()
    body = {
        "request_id": request_id,
        "partner_id": PARTNER,
        "submitted_by": "anna",
        "request_type": REQUEST_TYPE,
        "contact_id": "lukomor-1",
        "distributor_id": DISTRIBUTOR,
        "base_delivery_id": "upp-13",
        "registration_number": "1000001",
        "product_id": "upp-extension-12",
        "inn": "7707083893",
        "kpp": "773601001",
        "buyer": "АО «Завод точных весов»",
    }
    traffic.send("commands.requests", request_id, "SubmitRequest.v1", body, **headers)
    traffic.flush()
    return request_id
