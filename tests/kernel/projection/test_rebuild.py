"""A read model built anew from a real log: the same as the live one, while that goes on writing; or nothing at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from postavka.kernel.log.connection import for_librdkafka, for_producer
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.projection.read_model import ReadModel
from postavka.kernel.projection.rebuild import LARGEST_SHARE, rebuild
from postavka.kernel.projection.rebuild_worker import ShareFailed
from postavka.kernel.projection.table_projection import TableProjection
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.store.checkpoint import CheckpointMoved
from tests.kernel.projection import toy_model
from tests.kernel.projection.toy_model import MODEL, ONLY_SO_FAR, TOGETHER, TOPIC, TYPE, live


class Toys:
    """The topic, as a relay writes it, and the tables."""

    def __init__(self, config: Settings, topic: str) -> None:
        self.config = config
        self.topic = topic
        self.places = [(topic, number) for number in range(PARTITIONS)]
        self.names = [f"{topic}/{number}" for number in range(PARTITIONS)]
        self.requests = [str(uuid4()) for _ in range(40)]
        self._producer = Producer(for_producer(config))
        self._position = 0

    def send(self, request: str, late: int = 0, value: bytes | None = None, kind: str = TYPE, **fields: Any) -> None:
        if not late:
            self._position += 1
        headers = {
            "ce_type": kind,
            "ce_subject": request,
            "ce_time": "2026-11-27T08:00:00Z",
            "ce_position": str(self._position - late),
        }
        body = orjson.dumps(fields) if value is None else value
        number = partition_of(request.encode(), PARTITIONS)
        self._producer.produce(self.topic, body, request.encode(), number, headers=list(headers.items()))
        self._producer.poll(0)

    def some(self, count: int) -> None:
        """Every invoice is told of in the partitions of two requests; now and then something odd."""
        for number in range(self._position, self._position + count):
            side = "left_amount" if number % 2 else "right_amount"
            request = self.requests[number * 7 % len(self.requests)]
            self.send(request, number=f"i-{number // 2}", last=f"l\t{number}\\", **{side: number})
            if number % 50 == 7:
                self.send(request, late=1, number="never", last="never")
                self.send(request, value=b"[")
                self.send(request, kind="InvoiceNoted.v99", number="future", last="future")
                self.send(request, kind="Approved.v3", number="not ours", last="not ours")
        self._producer.flush()

    def follow(self, projection: TableProjection, batch: int = 100) -> int:
        """To the end of the topic, as the live process does."""
        offsets = projection.marks(self.names)
        start = {place: offsets[name] + 1 for place, name in zip(self.places, self.names, strict=True)}
        count = 0
        for records in read_records(self.config, start):
            for first in range(0, len(records), batch):
                count += projection.project(records[first : first + batch])
        return count

    def shown(self) -> dict[str, list[tuple[Any, ...]]]:
        with psycopg.connect(self.config.database_url.get_secret_value()) as connection:  # type: ignore[union-attr]
            return {
                table: connection.execute(f"SELECT * FROM toys.{table} ORDER BY 1, 2, 3").fetchall()  # noqa: S608
                for table in ("invoices", "marks", "unread")
            } | {"requests": connection.execute("SELECT * FROM toys.requests ORDER BY 1").fetchall()}

    def run(self, statement: str) -> None:
        with psycopg.connect(self.config.database_url.get_secret_value()) as connection:  # type: ignore[union-attr]
            connection.execute(statement.encode())


@pytest.fixture
def toys(servers: Endpoints, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    config = Settings(**servers.settings(database_url=database))
    topic = f"toys-{uuid4().hex[:8]}"
    ensure_topics(config, [topic])
    monkeypatch.setenv(TOPIC, topic)
    toy_model.prepare(database)
    yield Toys(config, topic)
    admin = AdminClient(for_librdkafka(config))
    for future in admin.delete_topics([topic]).values():
        future.result()


@pytest.mark.parametrize(("model", "largest"), [(MODEL, LARGEST_SHARE), (MODEL, 60), (TOGETHER, 60)])
def test_what_is_built_anew_is_what_the_live_projection_has_written(
    toys: Toys, model: ReadModel, largest: int, monkeypatch: pytest.MonkeyPatch
):
    """A process folds one share, or many, one after another."""
    monkeypatch.setattr("postavka.kernel.projection.rebuild.LARGEST_SHARE", largest)
    toys.some(600)
    toys.follow(live(toys.config))
    before = toys.shown()
    assert len(before["invoices"]) == 300
    assert all(row[1] is not None and row[2] is not None for row in before["invoices"]), "of two partitions each"
    assert len(before["unread"]) == 24
    toys.run("UPDATE toys.invoices SET left_amount = 0; DELETE FROM toys.requests; DELETE FROM toys.marks")
    told: list[tuple[str, int, int]] = []
    report = rebuild(toys.config, model, lambda *said: told.append(said), processes=2)
    assert toys.shown() == before
    assert (report.rows, report.unread) == ({"invoices": 300, "requests": 40}, 24)
    assert report.records == sum(end_offsets(toys.config, toys.places).values())
    assert ("records", report.records, report.records) in told


def test_nothing_is_lost_or_doubled_while_the_live_projection_goes_on(toys: Toys):
    toys.some(300)
    projection, done, swapped = live(toys.config), threading.Event(), 0
    wrong: list[BaseException] = []

    def follow() -> None:
        nonlocal swapped
        try:
            while not done.is_set():
                toys.some(20)
                try:
                    toys.follow(projection, 7)
                except CheckpointMoved:
                    swapped += 1
        except BaseException as error:
            wrong.append(error)

    following = threading.Thread(target=follow)
    following.start()
    try:
        for _ in range(2):
            rebuild(toys.config, MODEL, processes=2)
    finally:
        done.set()
        following.join(60)
    assert wrong == []
    toys.follow(projection)
    after = toys.shown()
    toys.run("TRUNCATE toys.invoices, toys.requests, toys.marks, toys.unread")
    toys.follow(live(toys.config))
    assert toys.shown() == after


def test_one_that_keeps_its_marks_elsewhere_is_never_overtaken(toys: Toys):
    toys.some(200)
    toys.follow(live(toys.config))
    before = toys.shown()
    toys.run("CREATE TABLE toys.kept_elsewhere AS SELECT * FROM toys.marks")
    toys.some(200)
    report = rebuild(toys.config, ONLY_SO_FAR)
    assert toys.shown() == before
    assert report.records == sum(mark[1] + 1 for mark in before["marks"])


@pytest.mark.parametrize("largest", [LARGEST_SHARE, 5])
def test_a_share_that_ends_badly_leaves_everything_as_it_was(toys: Toys, largest: int, monkeypatch: pytest.MonkeyPatch):
    """The first of a process, or one behind others."""
    monkeypatch.setattr("postavka.kernel.projection.rebuild.LARGEST_SHARE", largest)
    toys.some(50)
    toys.follow(live(toys.config))
    before = toys.shown()
    toys.send(toys.requests[0], poison=True, number="x", last="x")
    toys.some(1)
    with pytest.raises(ShareFailed, match="status"):
        rebuild(toys.config, MODEL)
    assert toys.shown() == before
    with psycopg.connect(toys.config.database_url.get_secret_value()) as connection:  # type: ignore[union-attr]
        assert connection.execute("SELECT to_regnamespace('toys_next')").fetchone() == (None,)


def test_an_empty_log_gives_empty_tables(toys: Toys):
    toys.run("INSERT INTO toys.requests VALUES ('left over', 'x')")
    assert rebuild(toys.config, MODEL).rows == {"invoices": 0, "requests": 0}
    assert toys.shown() == {"invoices": [], "marks": [], "unread": [], "requests": []}
