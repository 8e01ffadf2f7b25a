"""One trace from the command to the row of the cabinet, through all stages (W3C Trace Context on every record)."""

from __future__ import annotations

import json
import secrets
from uuid import uuid4

from tests.system.conftest import System, wait_until
from tests.system.traffic import DISTRIBUTOR, PARTNER, REQUEST_TYPE

STAGES = ("request", "approval", "billing", "shipping", "cabinet")


def test_one_click_is_followed_through_all_stages(system: System) -> None:
    trace, click = secrets.token_hex(16), secrets.token_hex(8)
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
    traffic.send("commands.requests", request_id, "SubmitRequest.v1", body, traceparent=f"00-{trace}-{click}-01")
    traffic.flush()

    def services() -> set[str]:
        return {span.service.removeprefix("postavka-") for span in system.collector.of(trace)}

    wait_until(lambda: services() >= set(STAGES), f"spans of {STAGES}")
    spans = system.collector.of(trace)
    ids = {span.id for span in spans} | {click}
    assert all(span.parent in ids for span in spans), "every step hangs on another one, the first on the click"
    assert [span.name for span in spans if span.parent == click] == ["request SubmitRequest.v1"]
    assert all(span.start_ns <= span.end_ns for span in spans)
    approved = next(span for span in spans if span.name.startswith("billing Approved."))
    asked = next(span for span in spans if span.id == approved.parent)
    assert asked.service == "postavka-approval"
    # The same trace is on the records that the steps have written.
    tail = system.cli("log", "tail", "--request", request_id, "--since", "1h", "--no-follow", "--json")
    assert {json.loads(line)["trace"].split("-")[1] for line in tail.splitlines()} == {trace}
