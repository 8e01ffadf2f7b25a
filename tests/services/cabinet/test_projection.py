"""The cabinet's table: the status that SQL derives is Python's, and whatever lies on the topics, rows are its fold."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from events.envelope import Envelope
from events.topics import STAGE_TOPICS
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.settings import Settings
from postavka.kernel.store.checkpoint import CheckpointMoved
from services.cabinet.fold import STAGES, UNREAD_BODIES, Row, fold, status
from services.cabinet.projection import Cabinet
from services.cabinet.table import TOPICS, load_rows, write_groups
from tests.services.cabinet.test_fold import EVERYTHING
from tests.services.memory import NOON


@pytest.fixture(scope="module")
def cabinet(own_database: str) -> Cabinet:
    """On a database of its own, empty."""
    made = Cabinet(Settings(database_url=own_database))
    made.marks([partition_name(topic, 0) for topic in TOPICS])
    return made


@pytest.fixture
def connection(cabinet: Cabinet) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(cabinet._conninfo, options="-c search_path=cabinet,public", autocommit=True) as opened:
        yield opened


def test_the_status_in_sql_is_the_status_in_python(connection: psycopg.Connection[Any]):
    """Every combination of the facts that it is derived from."""
    flags = [
        ("request", "withdrawn_at"),
        ("approval", "approved_at"),
        ("approval", "rejected_at"),
        ("billing", "declined_at"),
        ("shipping", "ordered_at"),
        ("shipping", "shipped_at"),
        ("activation", "activated_at"),
    ]
    rows: dict[UUID, Row] = {}
    for set_ones in itertools.product((False, True), repeat=len(flags)):
        for channel in ("direct", "distributor"):
            for empty in ({}, {stage: {} for stage in STAGES}):
                row: Row = json.loads(json.dumps(empty))
                for (stage, fact), is_set in zip(flags, set_ones, strict=True):
                    if is_set:
                        row.setdefault(stage, {})[fact] = "2026-03-16T09:30:00Z"
                if "approval" in row:
                    row["approval"]["channel"] = channel
                rows[uuid4()] = row
    write_groups(connection, rows)
    found = dict(
        connection.execute("SELECT request_id, status FROM requests WHERE request_id = ANY(%s)", (list(rows),))
    )
    assert found == {request_id: status(row) for request_id, row in rows.items()}
    assert len(set(found.values())) == 9


class Topics:
    """The stages' topics with one partition, as relays write them."""

    def __init__(self, cabinet: Cabinet) -> None:
        self.cabinet = cabinet
        self.requests = [uuid4() for _ in range(3)]
        self.rows: dict[UUID, Row] = defaultdict(dict)
        self._offsets = {topic: cabinet._marks[partition_name(topic, 0)].offset + 1 for topic in TOPICS}
        self._positions = {topic: cabinet._marks[partition_name(topic, 0)].position for topic in TOPICS}

    def record(
        self, stage: str, request_id: UUID, type_name: str, fields: Any, late: int = 0, **headers: Any
    ) -> Record:
        """The next one; with `late` a position that was there before."""
        topic = f"{stage}.events"
        if late:
            position = max(1, self._positions[topic] + 1 - late)
        else:
            self._positions[topic] = position = self._positions[topic] + 1
        envelope = Envelope("id", f"/postavka/{stage}", type_name, str(request_id), NOON, position=position)
        written = dict(envelope.headers()) | headers
        offset = self._offsets[topic]
        self._offsets[topic] += 1
        value = json.dumps(fields).encode()
        sent = tuple((name, data) for name, data in written.items() if data is not None)
        return Record(topic, 0, offset, 0, str(request_id).encode(), value, sent)

    def expect(self, record: Record, stage: str, request_id: UUID, type_name: str, fields: Any) -> None:
        envelope = Envelope.read(record.headers)
        time = dict(record.headers)["ce_time"]
        assert envelope.position is not None
        assert time is not None
        fold(self.rows[request_id], stage, type_name, json.loads(json.dumps(fields)), time.decode(), envelope.position)

    def stored(self, connection: psycopg.Connection[Any]) -> dict[UUID, Row]:
        return load_rows(connection, self.requests)


STEP = st.tuples(
    st.sampled_from(STAGES).flatmap(lambda stage: st.tuples(st.just(stage), st.sampled_from(EVERYTHING[stage]))),
    st.integers(0, 2),
    st.sampled_from(["", "", "", "", "late", "forged"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@for_all(st.lists(STEP, max_size=25), st.sampled_from([1, 3, 25]), st.booleans())
def test_rows_are_the_fold_of_the_log_in_whatever_batches_it_comes(
    cabinet: Cabinet, connection: psycopg.Connection[Any], steps: list[Any], batch: int, forget: bool
):
    """With late duplicates of a replaced relay and forged records among them; also when nothing is in the cache."""
    topics = Topics(cabinet)
    records: list[Record] = []
    for (stage, (type_name, fields)), which, kind in steps:
        request_id = topics.requests[which]
        # Bodies of some types are not read: nothing is wrong with those.
        odd = kind if type_name not in UNREAD_BODIES else ""
        if odd == "late" and topics._positions[f"{stage}.events"]:
            records.append(topics.record(stage, request_id, type_name, {"anything": 1}, late=1))
        elif odd == "forged":
            records.append(topics.record(stage, request_id, type_name, {}))
        else:
            records.append(topics.record(stage, request_id, type_name, fields))
            topics.expect(records[-1], stage, request_id, type_name, fields)
    for start in range(0, len(records), batch):
        cabinet.project(records[start : start + batch])
        cabinet.project(records[: start + batch])  # read again: by offset
        if forget:
            cabinet.marks([partition_name(topic, 0) for topic in TOPICS])
    assert topics.stored(connection) == dict(topics.rows)
    shown = dict(
        connection.execute("SELECT request_id, status FROM requests WHERE request_id = ANY(%s)", (topics.requests,))
    )
    assert shown == {request_id: status(row) for request_id, row in topics.rows.items()}


@pytest.mark.parametrize(
    ("type_name", "body", "headers"),
    [
        ("Approved.v3", b"{}", {}),
        ("Approved.v3", b"{not json", {}),
        ("Approved.v3", b"[]", {}),
        ("Approved.v99", b"{}", {}),
        ("ShipmentIssued.v1", b"{}", {}),
        ("Approved.v3", b"{}", {"ce_position": b"x"}),
        ("Approved.v3", b"{}", {"ce_position": None}),
        ("Approved.v3", b"{}", {"ce_type": b"\x00\xff"}),
        ("Approved.v3", b"{}", {"ce_type": None}),
        ("RequestSubmitted.v1", b"{}", {"ce_subject": b"no-id"}),
        ("Approved.v3", b"{}", {"ce_time": None}),
    ],
)
def test_a_forged_record_is_put_aside_and_the_partition_goes_on(
    cabinet: Cabinet, connection: psycopg.Connection[Any], type_name: str, body: bytes, headers: dict[str, Any]
):
    topics = Topics(cabinet)
    forged = topics.record("approval", topics.requests[0], type_name, None, **headers)
    forged = Record(forged.topic, 0, forged.offset, 0, forged.key, body, forged.headers)
    good_type, good_fields = EVERYTHING["approval"][0]
    good = topics.record("approval", topics.requests[1], good_type, good_fields)
    assert cabinet.project([forged, good]) == 1
    assert topics.stored(connection).keys() == {topics.requests[1]}
    aside = connection.execute(
        'SELECT count(*) FROM unread WHERE topic = %s AND "offset" = %s', (forged.topic, forged.offset)
    )
    assert aside.fetchone() == (1,)


def test_two_workers_of_the_projection_write_nothing_twice(cabinet: Cabinet, connection: psycopg.Connection[Any]):
    topics = Topics(cabinet)
    other = Cabinet(Settings(database_url=cabinet._conninfo))
    other.marks([partition_name(topic, 0) for topic in TOPICS])
    type_name, fields = next(each for each in EVERYTHING["billing"] if each[0].startswith("PaymentReceived."))
    record = topics.record("billing", topics.requests[0], type_name, fields)
    assert cabinet.project([record]) == 1
    with pytest.raises(CheckpointMoved):
        other.project([record])
    other.marks([partition_name(topic, 0) for topic in TOPICS])
    assert other.project([record]) == 0
    assert len(topics.stored(connection)[topics.requests[0]]["billing"]["payments"]) == 1


def test_samples_of_all_stages_are_there():
    assert set(EVERYTHING) == set(STAGES) == {topic.writer for topic in STAGE_TOPICS}
    assert all(EVERYTHING.values())
