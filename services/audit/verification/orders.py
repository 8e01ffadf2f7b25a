"""Are the orders that manufacturing gets copies of recorded ones, and is every recorded one there? (L17)"""

from __future__ import annotations

from confluent_kafka.admin import AdminClient
from psycopg.sql import SQL

from events.topics import MANUFACTURING_ORDERS
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import TIMEOUT_SECONDS
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.settings import PARTITIONS, Settings
from services.audit.findings import Findings
from services.audit.integrity.logs import digest_of
from services.audit.reading import reading
from services.audit.verification.stored_and_published import stored_digests

ONLY_ORDERS = SQL("AND topic LIKE 'ManufacturingOrdered.%%'")


def check_orders(config: Settings, head: int, findings: Findings) -> None:
    """Orders up to the position `head` of shipping."""
    topic = MANUFACTURING_ORDERS.name
    if topic not in AdminClient(for_librdkafka(config)).list_topics(timeout=TIMEOUT_SECONDS).topics:
        return
    with reading(config) as connection:
        recorded = dict(stored_digests(connection, "shipping", "/postavka/shipping", 0, head, ONLY_ORDERS))
    seen: set[int] = set()
    for batch in read_records(config, {(topic, number): 0 for number in range(PARTITIONS)}):
        for message in batch:
            place = f"{topic}/{message.partition}/{message.offset}"
            position, digest = digest_of(message.key, message.value, message.headers)
            if position is None or (position <= head and recorded.get(position) != digest):
                findings.problem(
                    "forged-order", place, "an order to manufacturing that shipping has not recorded (L17)"
                )
            elif position in seen:
                findings.note("late-duplicate", place, f"the order of position {position} again, the same")
            else:
                seen.add(position)
    for position in recorded.keys() - seen:
        findings.problem("order-not-passed-on", f"shipping/{position}", f"ordered, and not on {topic}")
