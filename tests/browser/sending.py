"""Requests that come by other ways than the pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from confluent_kafka import Producer

from tests.browser.person import FRESH, Person
from tests.system.conftest import System, wait_until

PARTNER, CONTACT, DISTRIBUTOR = "ip-berezin", "berezin-2", "dist-ural"
"""Whose requests are brought to a status here."""
KNOWN = "ООО «Невские шестерни»"
"""As the tax register calls the client of these requests."""
WITH_CONTRACT = ("93050122", "801020567", "80102045", "100000123")
"""Registration numbers with a contract, so that an activation is not refused."""


def submit(
    system: System, partner: str, contact: str, buyer: str, distributor: str | None = None, **changed: str
) -> str:
    """A request as another program would send it; returns its id."""
    request_id = str(uuid4())
    fields = {
        "request_id": request_id, "partner_id": partner, "submitted_by": "another-program",
        "request_type": "1c8-updates-and-addons", "contact_id": contact, "distributor_id": distributor,
        "base_delivery_id": "industry-motor", "registration_number": "9305011", "product_id": "its-industry-03",
        "inn": "0078001666", "kpp": "007801001", "buyer": buyer, **changed,
    }  # fmt: skip
    send(system, "commands.requests", "SubmitRequest.v1", [fields])
    return request_id


def send(system: System, topic: str, message_type: str, bodies: Sequence[Mapping[str, Any]]) -> None:
    """Messages about requests, as another program would send them."""
    producer = Producer({**system.kafka, "acks": "all"})
    for body in bodies:
        producer.produce(topic, json.dumps(body), body["request_id"], headers={"ce_type": message_type})
    assert producer.flush(20) == 0


def submit_many(system: System, ural: Person, count: int) -> tuple[str, list[str]]:
    """Requests of a client of their own that wait for the word of dist-ural; returns the client and their ids."""
    client = f"Шестерни {uuid4().hex[:8]}"
    ids = [submit(system, "ip-berezin", "berezin-2", client, "dist-ural") for _ in range(count)]
    for request_id in ids:
        ural.wait_for_request(request_id)
    return client, ids


@dataclass(frozen=True, slots=True)
class Case:
    """A request that somebody goes on with."""

    client: str
    registration: str
    """Not that of another case."""
    status: str
    request_id: str


def bring(system: System, wanted: Mapping[str, str]) -> dict[str, Case]:
    """A request for each name, brought to the status that it is wanted in by other ways than the pages. Clients have
    that name and a mark that all of them share; where the form is gone on with it is who the tax register knows. Those
    that wait for a payment are direct. The product is the shortest that there is, so that what is activated ends soon.
    """
    mark, with_contract, cases = uuid4().hex[:8], iter(WITH_CONTRACT), {}
    for name, status in wanted.items():
        client = KNOWN if status in ("rejected", "activated") else f"{name.capitalize()} {mark}"
        registration = next(with_contract) if status in ("shipped", "activated") else str(next(FRESH))
        request_id = submit(
            system,
            PARTNER,
            "nobody" if status == "rejected" else CONTACT,
            client,
            None if status == "awaiting-payment" else DISTRIBUTOR,
            product_id="its-industry-01",
            registration_number=registration,
        )
        cases[name] = Case(client, registration, status, request_id)
    sold = [each.request_id for each in cases.values() if each.status in ("shipped", "activated")]
    yes = [{"request_id": each, "confirmation_id": f"c-{each}", "accepted": True} for each in sold]
    send(system, f"distributors.{DISTRIBUTOR}.confirmations", "DistributorConfirmation.v1", yes)
    come_to(system, dict.fromkeys(sold, "shipped"))
    ended = [each.request_id for each in cases.values() if each.status == "activated"]
    begun = {"activated_by": "partner", "actor": "another-program", "partner_id": PARTNER}
    activations = [{"request_id": each, "activation_id": f"a-{each}", **begun} for each in ended]
    send(system, "commands.activations", "ActivateDelivery.v1", activations)
    come_to(system, {each.request_id: each.status for each in cases.values()})
    return cases


def come_to(system: System, statuses: Mapping[str, str]) -> None:
    """Until the cabinet shows each of these requests in its status."""
    sql = "SELECT request_id::text, status FROM cabinet.requests WHERE request_id = ANY(%s::uuid[])"
    with psycopg.connect(system.database_url, options="-c app.scope=all", autocommit=True) as connection:
        wait_until(
            lambda: dict(connection.execute(sql.encode(), (list(statuses),)).fetchall()) == dict(statuses),
            f"requests come to {sorted(set(statuses.values()))}",
        )
