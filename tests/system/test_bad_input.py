"""Whatever lies on an input topic, the partition goes on, and the sender's mistake is to be seen."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Producer
from psycopg.sql import SQL, Identifier

from tests.kernel.log.odd_records import write_oddly
from tests.system.conftest import System, wait_until
from tests.system.oracle import headers_of, read
from tests.system.traffic import DISTRIBUTOR, PARTNER, Traffic

NORTH = f"distributors.{DISTRIBUTOR}.confirmations"
URAL = "distributors.dist-ural.confirmations"
SUBMIT = (("ce_type", b"SubmitRequest.v1"),)
PARTITION = 5
"""Everything of this module goes here, so that what comes after the poison is behind it for certain."""


def produce(system: System, topic: str, key: bytes | None, value: bytes | None, headers: Any = ()) -> None:
    """One record, as an outside client may write it: anything at all."""
    producer = Producer({**system.kafka, "message.max.bytes": 20_000_000, "compression.type": "zstd"})
    failed: list[object] = []
    producer.produce(
        topic,
        value,
        key,
        PARTITION,
        on_delivery=lambda error, _: failed.append(error) if error else None,
        headers=list(headers),
    )
    assert producer.flush(30) == 0
    assert not failed, failed


def body(**changes: Any) -> bytes:
    """A command that would be taken, with changes."""
    fields = {"request_id": str(uuid4()), "partner_id": PARTNER, "submitted_by": "anna"}
    return json.dumps(fields | changes).encode()


def letters_of(system: System, stage: str) -> list[tuple[str, str, int]]:
    """(code, topic, offset) of the dead letters of a stage."""
    with psycopg.connect(system.database_url) as connection:
        rows = connection.execute(
            SQL('SELECT code, topic, "offset" FROM {}.dead_letters ORDER BY id').format(Identifier(stage))
        )
        return list(rows)


def key_of_partition() -> str:
    """A request id that belongs to `PARTITION`."""
    from postavka.kernel.log.partitioner import partition_of

    while True:
        request_id = str(uuid4())
        if partition_of(request_id.encode(), 12) == PARTITION:
            return request_id


POISON = [
    pytest.param(b"{not json", SUBMIT, "bad-body", id="not JSON"),
    pytest.param(b"\xff\xfe\x00", SUBMIT, "bad-body", id="not even text"),
    pytest.param(None, SUBMIT, "bad-body", id="a tombstone"),
    pytest.param(b"[1, 2]", SUBMIT, "bad-body", id="JSON of another shape"),
    pytest.param(body(partner_id=17), SUBMIT, "bad-body", id="wrong types"),
    pytest.param(body(surplus="field"), SUBMIT, "bad-body", id="a field that nobody knows"),
    pytest.param(body(comment="\x00"), SUBMIT, "bad-body", id="a NUL, which PostgreSQL can't keep"),
    pytest.param(b"[" * 100_000, SUBMIT, "bad-body", id="nested without end"),
    pytest.param(body(), (("ce_type", b"SubmitRequest.v99"),), "unknown-type", id="a version not known yet"),
    pytest.param(body(), (("ce_type", b"\xff"),), "unknown-type", id="a header that is no text"),
    pytest.param(body(), (), "unknown-type", id="no header"),
    pytest.param(body(comment="x" * 5_000_000), SUBMIT, "too-large", id="5 MB, compressed to less than the limit"),
]


@pytest.mark.parametrize(("value", "headers", "code"), POISON)
def test_a_record_that_can_not_be_read_is_put_aside(system: System, value: bytes, headers: Any, code: str):
    before = len(letters_of(system, "request"))
    produce(system, "commands.requests", str(uuid4()).encode(), value, headers)
    wait_until(lambda: len(letters_of(system, "request")) > before, "it is among the dead letters")
    assert [each[:2] for each in letters_of(system, "request")[before:]] == [(code, "commands.requests")]
    assert_goes_on(system)


@pytest.mark.parametrize("key", [None, b"", b"\xff\xff", b"another-key"])
def test_a_key_that_is_not_the_request(system: System, key: bytes | None):
    before = len(letters_of(system, "request"))
    produce(system, "commands.requests", key, body(), SUBMIT)
    wait_until(lambda: len(letters_of(system, "request")) > before, "it is among the dead letters")
    assert letters_of(system, "request")[-1][0] == "wrong-key"
    assert_goes_on(system)


def assert_goes_on(system: System) -> None:
    """A good request behind the poison, in the same partition, is taken."""
    request_id = key_of_partition()
    produce(system, "commands.requests", request_id.encode(), body(request_id=request_id), SUBMIT)

    def taken() -> bool:
        with psycopg.connect(system.database_url) as connection:
            return bool(
                connection.execute(
                    "SELECT 1 FROM request.stored_events WHERE originator_id = %s", (request_id,)
                ).fetchone()
            )

    wait_until(taken, "the partition goes on")


def test_a_header_name_that_is_no_text(system: System):
    """Both client libraries give up on such a record. It is kept whole, names included, and may be tried again."""
    before = len(letters_of(system, "request"))
    odd = (str(uuid4()).encode(), body(), [(b"ce_type", b"SubmitRequest.v1"), (b"na\xffme", b"x")])
    asyncio.run(write_oddly(system.config, "commands.requests", PARTITION, [odd]))
    wait_until(lambda: len(letters_of(system, "request")) > before, "it is among the dead letters")
    assert letters_of(system, "request")[-1][0] == "unreadable"
    assert_goes_on(system)
    told = json.loads(system.cli("dead-letters", "list", "--stage", "request", "--code", "unreadable", "--json"))
    assert "na\ufffdme" in told[0]["headers"]["postavka-raw-headers"]


def test_a_forged_event_with_such_a_name_stops_no_reader(system: System):
    before = {stage: len(letters_of(system, stage)) for stage in ("billing", "shipping")}
    headers = [(b"ce_type", b"Approved.v3"), (b"ce_position", b"999999"), (b"\xff", b"")]
    asyncio.run(write_oddly(system.config, "approval.events", PARTITION, [(b"x", b"{}", headers)]))
    system.forged += 1
    wait_until(
        lambda: all(len(letters_of(system, stage)) > count for stage, count in before.items()), "both have put it aside"
    )
    assert letters_of(system, "billing")[-1][0] == letters_of(system, "shipping")[-1][0] == "unreadable"
    assert_goes_on(system)


def test_a_transaction_of_a_sender_leaves_no_lag_behind(system: System):
    """Its marker takes an offset that holds no record."""
    producer = Producer({**system.kafka, "transactional.id": f"bank-{uuid4()}"})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce("bank.payments", b"{}", b"k", PARTITION, headers=[("ce_type", b"BankPayment.v1")])
    producer.commit_transaction()
    system.settle()


def test_a_forged_event_on_a_stage_topic_stops_nothing(system: System):
    """Only a stage writes on its topic (the broker's ACL); if somebody could, the readers would go on all the same."""
    before = {stage: len(letters_of(system, stage)) for stage in ("billing", "shipping")}
    produce(system, "approval.events", b"x", b"{}", (("ce_type", b"Approved.v3"),))
    system.forged += 1
    wait_until(
        lambda: all(len(letters_of(system, stage)) > count for stage, count in before.items()), "both have put it aside"
    )
    assert letters_of(system, "billing")[-1][0] == "no-position"
    assert_goes_on(system)


def test_the_letters_are_on_their_topic_with_the_reason(system: System):
    produce(system, "commands.requests", b"k", b"{still not json", SUBMIT)

    def found() -> bool:
        return any(
            record[0] == b"{still not json" and record[1].get("code") == "bad-body"
            for record in raw_dead_letters(system)
        )

    wait_until(found, "a copy on dead-letters")


def raw_dead_letters(system: System) -> list[tuple[bytes | None, dict[str, str]]]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({**system.kafka, "group.id": f"letters-{uuid4()}"})
    places = [TopicPartition("dead-letters", number, 0) for number in range(12)]
    consumer.assign(places)
    found = []
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        for message in consumer.consume(1_000, timeout=0.2):
            headers = {
                name.removeprefix("dlq_"): value.decode("utf-8", "replace")
                for name, value in headers_of(message)
                if value
            }
            found.append((message.value(), headers))
    consumer.close()
    return found


# Confirmations that come wrong, early, twice


def submitted(system: System, sent: Traffic, distributor: str = DISTRIBUTOR) -> str:
    """A request is sent; not waited for."""
    request_id = key_of_partition()
    fields = {
        "request_id": request_id,
        "partner_id": PARTNER,
        "submitted_by": "anna",
        "request_type": "1c8-updates-and-addons",
        "contact_id": "lukomor-1",
        "distributor_id": distributor,
        "base_delivery_id": "upp-13",
        "registration_number": "1000001",
        "product_id": "upp-extension-12",
        "inn": "7707083893",
        "kpp": "773601001",
        "buyer": "АО «Завод точных весов»",
    }
    sent.send("commands.requests", request_id, "SubmitRequest.v1", fields)
    sent.flush()
    return request_id


def confirm(sent: Traffic, topic: str, request_id: str, number: str = "c-1", accepted: bool = True) -> None:
    answer = {"request_id": request_id, "confirmation_id": number, "accepted": accepted}
    sent.send(topic, request_id, "DistributorConfirmation.v1", answer)
    sent.flush()


def types_of(system: System, request_id: str) -> list[str]:
    """Types of the events of a request, stage by stage."""
    told = read(system.kafka, [f"{stage}.events" for stage in ("approval", "billing", "shipping")])
    return [each.type for each in told if each.key == request_id]


def wait_for(system: System, request_id: str, *types: str) -> list[str]:
    wait_until(lambda: set(types) <= set(types_of(system, request_id)), f"{request_id}: {types}")
    system.settle()
    return types_of(system, request_id)


def test_an_answer_for_a_request_that_nobody_knows_waits(system: System):
    """It may be early: it is held, visible, and taken up when the request comes."""
    sent = system.traffic()
    request_id = key_of_partition()
    confirm(sent, NORTH, request_id)
    assert wait_for(system, request_id, "ConfirmationHeld.v1") == ["ConfirmationHeld.v1"]


def test_an_answer_on_another_distributors_topic_is_refused(system: System):
    sent = system.traffic()
    request_id = submitted(system, sent)
    wait_for(system, request_id, "ShippingOpened.v2")
    confirm(sent, URAL, request_id)
    types = wait_for(system, request_id, "ConfirmationRefused.v1")
    assert "DistributorConfirmed.v1" not in types
    assert "ManufacturingOrdered.v1" not in types
    confirm(sent, NORTH, request_id)
    assert "ShipmentIssued.v1" in wait_for(system, request_id, "DistributorConfirmed.v1", "ShipmentIssued.v1")


def test_an_answer_told_twice_counts_once_and_another_is_refused(system: System):
    sent = system.traffic()
    request_id = submitted(system, sent)
    wait_for(system, request_id, "ShippingOpened.v2")
    for _ in range(3):
        confirm(sent, NORTH, request_id, "c-1")
    confirm(sent, NORTH, request_id, "c-2", accepted=False)
    types = wait_for(system, request_id, "ConfirmationRefused.v1", "ShipmentIssued.v1")
    assert types.count("DistributorConfirmed.v1") == 1
    assert types.count("ConfirmationRefused.v1") == 1
    assert types.count("ManufacturingOrdered.v1") == 1


def test_an_answer_that_its_sender_has_taken_back_does_not_count(system: System):
    """In a transaction that was aborted; the one that was committed afterwards is its answer."""
    sent = system.traffic()
    request_id = submitted(system, sent)
    wait_for(system, request_id, "ShippingOpened.v2")
    erp = Producer({**system.kafka, "transactional.id": f"erp-{uuid4()}"})
    erp.init_transactions()
    for number, accepted in (("taken back", True), ("meant", False)):
        erp.begin_transaction()
        answer = {"request_id": request_id, "confirmation_id": number, "accepted": accepted}
        erp.produce(NORTH, json.dumps(answer).encode(), request_id.encode(), PARTITION)
        assert erp.flush(30) == 0
        (erp.commit_transaction if number == "meant" else erp.abort_transaction)()
    types = wait_for(system, request_id, "DistributorDeclined.v1")
    assert not {"DistributorConfirmed.v1", "ConfirmationRefused.v1", "ManufacturingOrdered.v1"} & set(types)


def test_an_answer_before_the_request_is_taken_up_with_it(system: System):
    sent = system.traffic()
    request_id = key_of_partition()
    confirm(sent, URAL, request_id, "c-0")
    confirm(sent, NORTH, request_id, "c-1")
    wait_for(system, request_id, "ConfirmationHeld.v1")
    fields = json.loads(body(request_id=request_id))
    fields |= {"request_type": "1c8-updates-and-addons", "contact_id": "lukomor-1", "distributor_id": DISTRIBUTOR}
    fields |= {"base_delivery_id": "upp-13", "registration_number": "1000001", "product_id": "upp-extension-12"}
    fields |= {"inn": "7707083893", "kpp": "773601001", "buyer": "АО «Завод точных весов»"}
    sent.send("commands.requests", request_id, "SubmitRequest.v1", fields)
    sent.flush()
    types = wait_for(system, request_id, "ShipmentIssued.v1")
    assert types.count("ConfirmationHeld.v1") == 2
    assert types.count("ConfirmationRefused.v1") == 1
    assert types.count("DistributorConfirmed.v1") == 1


def test_money_that_fits_nothing_is_on_record(system: System):
    payment = {
        "payment_id": f"p-{uuid4()}",
        "amount": "100.00",
        "received_on": "2026-11-24",
        "payer_inn": "7707083893",
        "purpose": "за мебель",
        "invoice_number": "2026-9999999",
    }
    sent = system.traffic()
    sent.send("bank.payments", payment["payment_id"], "BankPayment.v1", payment)
    sent.flush()

    def recorded() -> bool:
        told = read(system.kafka, ["billing.events"])
        return any(
            each.type == "PaymentUnmatched.v1" and each.body["payment_id"] == payment["payment_id"] for each in told
        )

    wait_until(recorded, "PaymentUnmatched is in the log")


def test_after_all_this_the_log_and_the_cabinet_are_sound(system: System):
    sent = system.traffic()
    sent.run(24, 50)
    system.check(sent.plans)


def test_the_size_of_the_bomb_is_what_it_should_be():
    """The 5 MB case is only a case if the broker takes it."""
    assert len(zlib.compress(body(comment="x" * 5_000_000))) < 1_000_000
