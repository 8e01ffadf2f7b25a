"""Only what was committed is read, by every reader there is: what a sender has taken back was never said, and one that
goes away in the middle of a transaction holds up nobody for longer than the broker allows."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.follower import Follower
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.range_reader import read_pieces, read_records
from postavka.kernel.log.record import Record
from postavka.kernel.log.unreadable import is_marker
from postavka.kernel.process.progress import Progress
from postavka.kernel.runtime.broker import TRANSACTION_SECONDS
from postavka.kernel.settings import Settings
from tests.kernel.polling import PATIENCE_SECONDS, until
from tests.paths import PROJECT

Seen = list[tuple[int, bytes | None]]


def sender(settings: Settings, **more: str | int) -> Producer:
    """With transactions."""
    producer = Producer(for_librdkafka(settings) | {"transactional.id": uuid4().hex, "log_level": 0} | more)
    producer.init_transactions(PATIENCE_SECONDS)
    return producer


def write(producer: Producer, topic: str, *values: bytes) -> None:
    """Into partition 0, one batch for each; waits until the broker has them."""
    for value in values:
        producer.produce(topic, value, b"k", 0)
        assert producer.flush(PATIENCE_SECONDS) == 0


@contextmanager
def followed(settings: Settings, topic: str, offset: int) -> Iterator[Callable[[], list[Record]]]:
    """How stages, projections and the signer read: all that comes, markers among it, until the end as it is now."""
    reader = Follower(settings, {(topic, 0): offset}, 0)

    def to_the_end() -> list[Record]:
        end, found = end_offsets(settings, [(topic, 0)])[topic, 0], list[Record]()
        while reader.following[topic, 0] < end:
            found += reader.read(1_000, PATIENCE_SECONDS)
        return found

    try:
        yield to_the_end
    finally:
        reader.close()


def by_followed(settings: Settings, topic: str, offset: int) -> Seen:
    with followed(settings, topic, offset) as to_the_end:
        records = to_the_end()
    assert records[-1].offset == end_offsets(settings, [(topic, 0)])[topic, 0] - 1, "a mark comes to the very end"
    return [(each.offset, each.value) for each in records if not is_marker(each)]


def by_pieces(settings: Settings, topic: str, offset: int) -> Seen:
    pieces = read_pieces(settings, {(topic, 0): offset}, end_offsets(settings, [(topic, 0)]))
    return [(each.offset, each.value) for piece in pieces for each in piece.records]


def by_records(settings: Settings, topic: str, offset: int) -> Seen:
    return [(each.offset, each.value) for batch in read_records(settings, {(topic, 0): offset}) for each in batch]


def by_follower(settings: Settings, topic: str, offset: int) -> Seen:
    with Follower(settings, {(topic, 0): offset}) as follower:
        return [(each.offset, each.value) for batch in follower.records(1.5) for each in batch]


READERS = [by_followed, by_pieces, by_records, by_follower]


@pytest.fixture
def interleaved(settings: Settings, topic: str) -> str:
    """Two senders at once and a third without transactions. Offsets, `m` for a marker:
    0 taken-back, 1 said, 2 plain, 3 taken-back too, 4 m (aborted), 5 said too, 6 m, 7 taken back, 8 m (aborted)."""
    first, second, plain = sender(settings), sender(settings), Producer(for_librdkafka(settings))
    first.begin_transaction()
    write(first, topic, b"taken back")
    second.begin_transaction()
    write(second, topic, b"said")
    write(plain, topic, b"plain")
    write(first, topic, b"taken back too")
    first.abort_transaction(PATIENCE_SECONDS)
    anything = for_librdkafka(settings) | {"group.id": topic, "isolation.level": "read_uncommitted"}
    with closing(Consumer(anything)) as looks:
        place = TopicPartition(topic, 0)
        until(lambda: looks.get_watermark_offsets(place, PATIENCE_SECONDS)[1] == 5, "the marker is there")
    write(second, topic, b"said too")
    second.commit_transaction(PATIENCE_SECONDS)
    first.begin_transaction()
    write(first, topic, b"taken back, at the tail")
    first.abort_transaction(PATIENCE_SECONDS)
    return topic


@pytest.mark.parametrize("read", READERS)
def test_what_was_taken_back_is_given_out_by_no_reader(
    settings: Settings, interleaved: str, read: Callable[[Settings, str, int], Seen]
) -> None:
    said = [(1, b"said"), (2, b"plain"), (5, b"said too")]
    until(lambda: end_offsets(settings, [(interleaved, 0)]) == {(interleaved, 0): 9}, "all transactions have ended")
    assert read(settings, interleaved, 0) == said
    assert read(settings, interleaved, 3) == said[2:], "from within the transaction that was aborted"


def test_an_aborted_tail_is_no_lag(settings: Settings, interleaved: str) -> None:
    until(lambda: end_offsets(settings, [(interleaved, 0)]) == {(interleaved, 0): 9}, "all transactions have ended")
    with followed(settings, interleaved, 0) as to_the_end:
        handled = {(interleaved, 0): to_the_end()[-1].offset}
    assert Progress.lag(end_offsets(settings, handled), handled) == 0


def test_a_sender_that_goes_away_hides_what_others_say_until_the_broker_ends_its_transaction(
    settings: Settings, topic: str
) -> None:
    gone = sender(settings, **{"transaction.timeout.ms": 1_000})
    gone.begin_transaction()
    write(gone, topic, b"half said")
    write(Producer(for_librdkafka(settings)), topic, b"said by another")
    place = (topic, 0)
    progress = Progress(0.0)
    assert end_offsets(settings, [place]) == {place: 0}, "the last stable offset: here the transaction begins"
    assert progress.see(0.0, {place: 0}, {}) is progress.see(100.0, {place: 0}, {}) is None, "no lag, no standstill"
    began = time.monotonic()
    until(lambda: end_offsets(settings, [place]) == {place: 3}, "the broker has aborted it")
    assert time.monotonic() - began < 15
    assert by_followed(settings, topic, 0) == [(1, b"said by another")]


def test_no_transaction_stays_open_for_longer_than_a_minute(settings: Settings) -> None:
    sender(settings, **{"transaction.timeout.ms": TRANSACTION_SECONDS * 1_000})
    with pytest.raises(KafkaException) as refused:
        sender(settings, **{"transaction.timeout.ms": TRANSACTION_SECONDS * 1_000 + 1})
    assert refused.value.args[0].code() == KafkaError.INVALID_TRANSACTION_TIMEOUT


def calls(file: Path, name: str) -> Iterable[ast.Call]:
    """Where the file makes an object of that class."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def test_no_consumer_is_made_that_reads_what_was_not_committed() -> None:
    """Faust's is told otherwise (`PacedThread`); `by_followed` and the tests of the whole read through it."""
    found = {}
    for folder in ("postavka", "services", "docs"):
        for file in (PROJECT / folder).rglob("*.py"):
            for call in (*calls(file, "AIOKafkaConsumer"), *calls(file, "Consumer")):
                found[f"{file.relative_to(PROJECT)}:{call.lineno}"] = ast.unparse(call)
    said = ("for_aiokafka_consumer", "ISOLATION", "**how")
    assert found
    assert [place for place, call in found.items() if not any(each in call for each in said)] == []
    assert '"isolation_level": "read_committed"' in (PROJECT / "docs/examples/read_notices.py").read_text()
