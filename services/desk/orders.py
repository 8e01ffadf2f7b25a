"""An order is done when its kit is on the log; a crash in between answers it again, with the same kit. The desk keeps
nothing of its own: how far it has come is what its group has committed on Kafka."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from events.commands import KitManufactured
from events.envelope import Envelope, EnvelopeError
from events.registry import BadBody, UnknownType, decode, encode
from events.shipping import ManufacturingOrdered
from events.topics import MANUFACTURING_KITS, MANUFACTURING_ORDERS
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.log.topics import check_topics
from postavka.kernel.log.unreadable import is_marker
from postavka.kernel.outbox.command_sender import envelope_of
from postavka.kernel.outbox.publisher import Publisher
from postavka.kernel.process import liveness, tracing
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import Settings
from services.desk.kit import desk_secret, make_kit

log = logger(__name__)

NAME = "desk"
GROUP = "manufacturing-desk"
SOURCE = "/manufacturing/desk"
GROUP_SECONDS = 60
"""A coordinator may be on its way from one broker to the next."""


class Orders:
    """Orders as a `postavka.kernel.projection.worker.Projection`: what is made of them is kits."""

    name = NAME
    topics: Sequence[str] = (MANUFACTURING_ORDERS.name,)

    def __init__(self, config: Settings) -> None:
        check_topics(config, [MANUFACTURING_KITS.name])
        self._config = config
        self._secret = desk_secret(config.home / "desk.secret")
        self._publisher: Publisher | None = None

    def marks(self, names: Sequence[str]) -> dict[str, int]:
        """Offset of the last order answered, by partition, as its group has it on Kafka; -1 for none. Raises
        `KafkaException` when no broker answers."""
        admin = AdminClient(for_librdkafka(self._config))
        with liveness.question("how far the desk has come"):
            asked = admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(GROUP)], request_timeout=GROUP_SECONDS
            )
            found = asked[GROUP].result().topic_partitions or ()
        reached = {partition_name(each.topic, each.partition): each.offset - 1 for each in found if each.offset >= 0}
        return {name: reached.get(name, -1) for name in names}

    def project(self, records: Sequence[Record]) -> int:
        """Send a kit for each of these orders; returns how many records there were, once the broker has the kits."""
        if self._publisher is None:  # it belongs to the thread that uses it
            self._publisher = Publisher(self._config, {})
        for record in records:
            if not is_marker(record):
                self._answer(record, self._publisher)
        self._publisher.wait()
        return len(records)

    def _answer(self, record: Record, publisher: Publisher) -> None:
        try:
            envelope = Envelope.read(record.headers)
            order = decode(envelope.type, record.value)
        except (EnvelopeError, UnknownType, BadBody) as wrong:  # shipping writes no such thing; others may
            log.warning("no order", place=f"{record.topic}/{record.partition}/{record.offset}", why=str(wrong)[:300])
            return
        if not isinstance(order, ManufacturingOrdered):
            return
        kit = make_kit(envelope.subject, order, self._secret)
        made = KitManufactured.model_validate({"request_id": envelope.subject, "kit": kit})
        with tracing.span(f"send {made.TYPE}", "PRODUCER", envelope.trace) as sent:
            headers = envelope_of(made.TYPE, SOURCE, envelope.subject, sent).headers()
        publisher.send(MANUFACTURING_KITS.name, envelope.subject.encode(), encode(made), headers)
