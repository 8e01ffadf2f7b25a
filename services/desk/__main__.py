"""`python -m services.desk`: reads orders, writes kits. An order is done when its kit is on the log; a crash in between
answers again, with the same kit. Orders that lie there and are not answered end the process: it is started anew."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from events.commands import KitManufactured
from events.envelope import Envelope, EnvelopeError
from events.registry import BadBody, UnknownType, decode, encode
from events.shipping import ManufacturingOrdered
from events.topics import MANUFACTURING_KITS, MANUFACTURING_ORDERS
from postavka.kernel.log.aiokafka_patches.records import install
from postavka.kernel.log.connection import for_aiokafka_consumer
from postavka.kernel.log.fetch_pacing import Pace
from postavka.kernel.log.offsets import OffsetsUnknown, PartitionOffsets
from postavka.kernel.log.record import Record
from postavka.kernel.log.topics import check_topics
from postavka.kernel.log.unreadable import is_marker
from postavka.kernel.outbox.command_sender import envelope_of
from postavka.kernel.outbox.publisher import Publisher
from postavka.kernel.process import liveness, metrics, tracing
from postavka.kernel.process.health import serve_health
from postavka.kernel.process.logs import configure_logs, logger
from postavka.kernel.process.progress import Progress
from postavka.kernel.settings import PARTITIONS, Settings, settings
from services.desk.kit import make_kit

log = logger("services.desk")

GATHER_MS = 150
"""Between two fetches while orders flow."""
SOURCE = "/manufacturing/desk"
WATCH_SECONDS = 2.0
ALL = [TopicPartition(MANUFACTURING_ORDERS.name, number) for number in range(PARTITIONS)]
"""Looked at while no partition is ours: another worker may read them, or nobody."""
COMMIT_SECONDS = 1.0
"""A crash answers the orders of this time again, with the same kits."""


async def run(config: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    check_topics(config, [MANUFACTURING_ORDERS.name, MANUFACTURING_KITS.name])
    secret = desk_secret(config.home / "desk.secret")
    consumer = AIOKafkaConsumer(
        MANUFACTURING_ORDERS.name,
        **for_aiokafka_consumer(config),
        group_id="manufacturing-desk",
        group_instance_id=f"manufacturing-desk-{config.worker}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,
        heartbeat_interval_ms=2_000,
        fetch_max_wait_ms=500,
    )
    http, port = await serve_health(config.http_host, config.http_port, lambda: (True, {"service": "desk"}))
    install()
    await consumer.start()
    liveness.rest(liveness.START)
    log.info("at work", port=port)
    answering = _answer(config, consumer, secret)
    tasks = [asyncio.create_task(each) for each in (answering, _watch(config, consumer), stop.wait())]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    try:
        await asyncio.wait_for(consumer.stop(), 3)
    except (TimeoutError, KafkaError) as away:
        log.warning("Kafka was not told that this desk leaves", error=repr(away)[:200])
    await http.cleanup()
    for task in done:
        task.result()


async def _watch(config: Settings, consumer: AIOKafkaConsumer) -> None:
    """Raises when orders lie there and are not read though the broker answers."""
    offsets, progress = PartitionOffsets(config), Progress(config.stall_seconds)
    while True:
        liveness.beat("the watchdog")
        await asyncio.sleep(WATCH_SECONDS)
        ours = consumer.assignment()
        try:
            ends = await asyncio.to_thread(offsets.ends, [(each.topic, each.partition) for each in ours or ALL])
            reached = consumer.position if ours else consumer.committed
            read = {(each.topic, each.partition): await _known(reached(each)) - 1 for each in ours or ALL}
        except (OffsetsUnknown, KafkaError):
            progress.forgive()
            continue
        if (stalled := progress.see(time.monotonic(), ends, read)) is not None:
            raise RuntimeError(f"no progress: {stalled}")


async def _known(offset: Awaitable[int | None]) -> int:
    """0 while nothing is known."""
    try:
        return await asyncio.wait_for(offset, WATCH_SECONDS) or 0
    except TimeoutError:
        return 0


async def _answer(config: Settings, consumer: AIOKafkaConsumer, secret: bytes) -> None:
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, thread_name_prefix="kits")
    publisher = await loop.run_in_executor(thread, Publisher, config, {})
    committed, behind = time.monotonic(), False
    handled: dict[Any, int] = {}
    pace = Pace(GATHER_MS)
    while True:
        fetched = await consumer.getmany(timeout_ms=1_000, max_records=1_000)
        records = [record for batch in fetched.values() for record in batch]
        pace.fetched(consumer, bool(records))
        if records:
            started = time.monotonic()
            await loop.run_in_executor(thread, _send_kits, records, publisher, secret)
            metrics.RECORDS.labels("desk", "handled").inc(len(records))
            metrics.BATCH_RECORDS.labels("desk").observe(len(records))
            metrics.BATCH_SECONDS.labels("desk").observe(time.monotonic() - started)
            behind = True
            handled |= {place: batch[-1].offset + 1 for place, batch in fetched.items() if batch}
        metrics.LAG.labels("desk").set(_lag(consumer, handled))
        if behind and time.monotonic() - committed > COMMIT_SECONDS:
            await consumer.commit()
            committed, behind = time.monotonic(), False


def _lag(consumer: AIOKafkaConsumer, handled: dict[Any, int]) -> int:
    """Orders not answered yet, by the ends that the broker told with the last fetch: nothing is asked for this.
    `handled`: the next offset of partitions that something was read of."""
    ends = {each: consumer.last_stable_offset(each) or 0 for each in consumer.assignment()}
    return sum(max(0, end - handled.get(each, end)) for each, end in ends.items())


def _send_kits(records: list[Record], publisher: Publisher, secret: bytes) -> None:
    for record in records:
        if is_marker(record):
            continue
        try:
            envelope = Envelope.read(record.headers)
            order = decode(envelope.type, record.value)
        except (EnvelopeError, UnknownType, BadBody) as wrong:  # shipping writes no such thing; others may
            log.warning("no order", place=f"{record.topic}/{record.partition}/{record.offset}", why=str(wrong)[:300])
            continue
        if isinstance(order, ManufacturingOrdered):
            kit = make_kit(envelope.subject, order, secret)
            made = KitManufactured.model_validate({"request_id": envelope.subject, "kit": kit})
            with tracing.span(f"send {made.TYPE}", "PRODUCER", envelope.trace) as sent:
                headers = envelope_of(made, SOURCE, envelope.subject, sent).headers()
            publisher.send(MANUFACTURING_KITS.name, envelope.subject.encode(), encode(made), headers)
    publisher.wait()


def desk_secret(file: Path) -> bytes:
    """Made once; in a file that only its owner may read."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_hex(32))
    return bytes.fromhex(file.read_text().strip())


def main() -> None:
    """Run the desk; exits non-zero when it can't go on."""
    config = settings()
    configure_logs(config, "desk")
    tracing.start(config, "desk")
    liveness.watch()
    try:
        asyncio.run(run(config))
    except Exception as error:
        log.exception("the desk ends", error=str(error)[:500])
        os._exit(1)
    os._exit(0)  # a thread that waits for the broker must not keep a dead service alive


if __name__ == "__main__":
    main()
