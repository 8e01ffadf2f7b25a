"""Requests that come by other ways than the pages."""

from __future__ import annotations

import json
from uuid import uuid4

from confluent_kafka import Producer

from tests.browser.person import Person
from tests.system.conftest import System


def submit(system: System, partner: str, contact: str, buyer: str, distributor: str | None = None) -> str:
    """A request as another program would send it; returns its id."""
    request_id = str(uuid4())
    fields = {
        "request_id": request_id, "partner_id": partner, "submitted_by": "another-program",
        "request_type": "1c8-updates-and-addons", "contact_id": contact, "distributor_id": distributor,
        "base_delivery_id": "industry-motor", "registration_number": "9305011", "product_id": "its-industry-03",
        "inn": "0078001666", "kpp": "007801001", "buyer": buyer,
    }  # fmt: skip
    producer = Producer({**system.kafka, "acks": "all"})
    producer.produce("commands.requests", json.dumps(fields), request_id, headers={"ce_type": "SubmitRequest.v1"})
    assert producer.flush(20) == 0
    return request_id


def submit_many(system: System, ural: Person, count: int) -> tuple[str, list[str]]:
    """Requests of a client of their own that wait for the word of dist-ural; returns the client and their ids."""
    client = f"Шестерни {uuid4().hex[:8]}"
    ids = [submit(system, "ip-berezin", "berezin-2", client, "dist-ural") for _ in range(count)]
    for request_id in ids:
        ural.wait_for_request(request_id)
    return client, ids
