"""A log of any size in little time: real requests, copied under new ids, into stores and topics alike.

Services must stand still. Every copy has its own request id, permission, invoice and payment numbers, later clocks and
times; its positions, offsets and causes fit those of all others, so that it is as good as decided one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import orjson
import psycopg
import stamina
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg.sql import SQL, Identifier

from events.envelope import rfc3339
from events.registry import decode
from events.shipping import DocumentIssued, InvoiceNoted, ShippingOpened
from events.topics import BANK_PAYMENTS, MANUFACTURING_ORDERS
from postavka.app.broker_access.services import GROUPS
from postavka.domain.document_forms.content import content_of, sha256
from postavka.domain.document_forms.forms import make
from postavka.kernel.clock import COUNTER_BITS
from postavka.kernel.ids import new_id
from postavka.kernel.log.connection import for_librdkafka, for_producer
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.record import partition_name
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from services.audit.history.history import history
from services.audit.reading import STAGE_OF, STAGES, Place, reading, records_of, stored_events, topics_there
from services.shipping.permission import new_permission_number

STEP_MS = 7
"""Between the times of two copies."""
ROUND = 2_000
"""Copies that are written at once."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One record of a model request, to be copied; `input` names the piece that its event was made from."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    coordinates: str
    position: int | None
    version: int


@dataclass(frozen=True, slots=True)
class Model:
    """A request to copy."""

    request: str
    permission: str
    invoice: str | None
    payments: tuple[str, ...]
    pieces: tuple[Piece, ...]


def model_of(config: Settings, request: UUID) -> Model:
    """Everything of one request, in causal order."""
    entries = [entry for entry in history(config, request).entries if entry.offset is not None]
    with reading(config) as connection:
        versions = {(event.stage, event.position): event.version for event in stored_events(connection, [request])}
    keys: dict[str, set[bytes]] = {topic: set() for topic in topics_there(config)}
    found = {
        record.coordinates: record for record in records_of(config, keys, 0, [entry.coordinates for entry in entries])
    }
    pieces = []
    permission, invoice, payments = "", None, []
    for entry in entries:
        if entry.coordinates not in found:
            continue
        record = found[entry.coordinates]
        if entry.topic == BANK_PAYMENTS.name:
            payments.append(str(entry.fields["payment_id"]))
        name = entry.type.partition(".")[0]
        permission = entry.fields["number"] if name == "PermissionIssued" else permission
        invoice = entry.fields["number"] if name == "InvoiceIssued" else invoice
        headers = tuple((name, value) for name, value in record.headers if value is not None)
        version = versions.get((entry.stage or "", entry.position or 0), 0)
        pieces.append(
            Piece(
                record.topic,
                record.key or b"",
                record.value or b"",
                headers,
                record.coordinates,
                entry.position,
                version,
            )
        )
    return Model(str(request), permission, invoice, tuple(payments), tuple(pieces))


def multiply(config: Settings, models: Sequence[Model], events: int) -> int:
    """Write copies of these requests until there are about so many events; returns how many were written."""
    per_round = [models[number % len(models)] for number in range(ROUND)]
    writer = _Writer(config)
    written = 0
    while written < events:
        written += writer.write(per_round)
    writer.close()
    return written


class _Writer:
    def __init__(self, config: Settings) -> None:
        self._config = config
        self._producer = Producer(
            for_producer(config) | {"linger.ms": 20, "batch.size": 1_000_000, "queue.buffering.max.messages": 1_000_000}
        )
        topics = [*topics_there(config), MANUFACTURING_ORDERS.name]
        self._ends = end_offsets(config, [(topic, number) for topic in topics for number in range(PARTITIONS)])
        self._connection = psycopg.connect(database_url(config), autocommit=True)
        self._heads = {
            stage: self._connection.execute(SQL("SELECT position FROM {}.head").format(Identifier(stage))).fetchone()[0]  # type: ignore[index]
            for stage in STAGES
        }
        self._count = 0

    def write(self, models: Sequence[Model]) -> int:
        """Write one copy of each model."""
        rows: dict[str, list[tuple[object, ...]]] = {stage: [] for stage in STAGES}
        for model in models:
            self._count += 1
            for stage, row in self._copy(model):
                rows[stage].append(row)
        for stage, these in rows.items():
            copy = SQL(
                "COPY {}.stored_events (originator_id, originator_version, topic, state, notification_id, recorded_at, "
                "clock, causation, correlation, input, trace) FROM STDIN (FORMAT BINARY)"
            ).format(Identifier(stage))
            with self._connection.transaction(), self._connection.cursor() as cursor, cursor.copy(copy) as out:
                out.set_types(
                    ["uuid", "int8", "text", "bytea", "int8", "timestamptz", "int8", "text", "text", "text", "text"]
                )
                for row in these:
                    out.write_row(row)
        self._producer.flush()
        return sum(map(len, rows.values()))

    def _copy(self, model: Model) -> Iterator[tuple[str, tuple[object, ...]]]:
        request = str(new_id())
        changes = [(model.request.encode(), request.encode())]
        changes += [(model.permission.encode(), new_permission_number().encode())] if model.permission else []
        changes += [(model.invoice.encode(), b"2025-%07d" % self._count)] if model.invoice else []
        shift = timedelta(milliseconds=STEP_MS * self._count)
        places: dict[str, str] = {}
        bytes_of = _Documents()
        for piece in model.pieces:
            key, value = _changed(piece.key, changes), _changed(piece.value, changes)
            if (hashes := bytes_of.take(dict(piece.headers).get("ce_type", b""), value)) is not None:
                changes.append(hashes)
                value = _changed(value, [hashes])
            place: Place = (piece.topic, partition_of(key, PARTITIONS))
            coordinates = f"{place[0]}/{place[1]}/{self._ends[place]}"
            places[piece.coordinates] = coordinates
            self._ends[place] += 1
            headers = [(name, _changed(content, changes)) for name, content in piece.headers]
            stage = STAGE_OF.get(piece.topic)
            if stage is None:
                self._send(place[0], key, value, headers)
                continue
            self._heads[stage] += 1
            named = dict(headers)
            moment = datetime.fromisoformat(named["ce_time"].decode()) + shift
            clock = int(named["ce_clock"], 16) + ((STEP_MS * self._count) << COUNTER_BITS)
            source = places.get(named["ce_input"].decode(), named["ce_input"].decode())
            named |= {
                "ce_time": rfc3339(moment).encode(),
                "ce_clock": b"%016x" % clock,
                "ce_position": b"%d" % self._heads[stage],
                "ce_input": source.encode(),
            }
            headers = list(named.items())
            self._send(place[0], key, value, headers)
            if named["ce_type"].startswith(b"ManufacturingOrdered."):
                self._send(MANUFACTURING_ORDERS.name, key, value, headers)
            trace = named.get("traceparent")
            yield (
                stage,
                (
                    UUID(request),
                    piece.version,
                    named["ce_type"].decode(),
                    value,
                    self._heads[stage],
                    moment,
                    clock,
                    named["ce_causationid"].decode(),
                    named["ce_correlationid"].decode(),
                    source,
                    None if trace is None else trace.decode(),
                ),
            )

    def _send(self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, headers=headers)
                break
            except BufferError:
                self._producer.poll(0.05)
        self._producer.poll(0)

    def close(self) -> None:
        """Let stores, marks, relays and the desk know: nobody is to read, decide or publish it again."""
        self._producer.flush()
        ends = end_offsets(self._config, list(self._ends))
        offsets = orjson.dumps({partition_name(*place): end for place, end in ends.items()}).decode()
        for stage in STAGES:
            schema, head = Identifier(stage), self._heads[stage]
            self._connection.execute(SQL("UPDATE {}.head SET position = %s").format(schema), (head,))
            self._connection.execute(
                SQL("UPDATE {}.relay SET position = %s, offsets = %s").format(schema), (head, offsets)
            )
            for place, end in ends.items():
                self._connection.execute(
                    SQL("UPDATE {}.notification_tracking SET notification_id = %s WHERE application_name = %s").format(
                        schema
                    ),
                    (end - 1, partition_name(*place)),
                )
            self._connection.execute(SQL("ANALYZE {}.stored_events").format(schema))
        self._connection.close()
        orders = [
            TopicPartition(topic, number, end)
            for (topic, number), end in ends.items()
            if topic == MANUFACTURING_ORDERS.name
        ]
        pass_orders_over(self._config, orders)


def pass_orders_over(config: Settings, orders: list[TopicPartition]) -> None:
    """The desk has answered up to here. A desk that was stopped counts as there until its session has ended."""
    admin, group = AdminClient(for_librdkafka(config)), GROUPS["desk"]
    for attempt in stamina.retry_context(on=KafkaException, timeout=60, attempts=None):
        with attempt:
            asked = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, orders)])
            for moved in asked[group].result().topic_partitions:
                if moved.error is not None:
                    raise KafkaException(moved.error)


class _Documents:
    """Hashes of a copy's documents: other numbers make other bytes."""

    def __init__(self) -> None:
        self._opened: ShippingOpened | None = None
        self._invoiced: tuple[Decimal, Decimal] | None = None

    def take(self, type_name: bytes, value: bytes) -> tuple[bytes, bytes] | None:
        """The hashes of an event that issues a document: the one that was copied, and that of the copy's document."""
        if not type_name.startswith((b"ShippingOpened.", b"InvoiceNoted.", b"DocumentIssued.")):
            return None
        event = decode(type_name.decode(), value)
        match event:
            case ShippingOpened():
                self._opened = event
            case InvoiceNoted():
                self._invoiced = (event.amount, event.vat_rate)
            case DocumentIssued() if self._opened is not None:
                paper = content_of(
                    self._opened, event.kind, event.number, event.issued_on, event.issued_at, self._invoiced
                )
                return event.sha256.encode(), sha256(make(event.form, paper)).encode()
        return None


def _changed(data: bytes, changes: Sequence[tuple[bytes, bytes]]) -> bytes:
    for old, new in changes:
        data = data.replace(old, new)
    return data
