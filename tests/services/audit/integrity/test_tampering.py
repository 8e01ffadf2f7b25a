"""Somebody changes history: in PostgreSQL, on Kafka, in the evidence, everywhere at once. Each is found and named."""

from __future__ import annotations

import random
import time
from pathlib import Path
from uuid import UUID

import pytest
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource
from psycopg import DatabaseError
from psycopg.sql import SQL, Identifier

from postavka.kernel.key_file import NoKey
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.privacy.installation_keys import WrongKey, registered
from postavka.kernel.settings import PARTITIONS
from postavka.kernel.store.recorder import RecordedEvent
from services.audit.integrity import keys
from services.audit.integrity.signer import Signer
from services.audit.integrity.store import connect
from services.audit.verifier import check_evidence
from tests.services.audit.conftest import Log

EVENTS = 30


@pytest.fixture
def signed(log: Log) -> Log:
    """A log that was signed twice."""
    log.add(20)
    log.sign()
    log.add(EVENTS - 20)
    log.sign()
    assert log.findings() == []
    return log


def the_finding(log: Log, copy: str) -> tuple[str, int | None, str]:
    """The one finding, as kind, position and message."""
    found = log.findings()
    assert len(found) == 1, "\n".join(map(str, found))
    assert found[0].copy == copy
    return found[0].kind, found[0].position, found[0].message


# PostgreSQL


def test_an_honest_mistake_is_stopped(signed: Log):
    with signed.sql() as connection:
        for statement in ("UPDATE {} SET clock = 0", "DELETE FROM {}", "TRUNCATE {} CASCADE"):
            with pytest.raises(DatabaseError, match="events are kept as they are"):
                connection.execute(SQL(statement).format(Identifier(signed.stage, "stored_events")))


EDITS = (
    'state = convert_to(\'{"withdrawn_by":"anna","reason":"x"}\', \'UTF8\')',
    "recorded_at = recorded_at + interval '1 microsecond'",
    "clock = clock + 1",
    "causation = NULL",
    "topic = 'RequestSubmitted.v1'",
    "originator_version = originator_version + 100",
    "input = 'commands.requests/0/9999'",
)


def test_an_edited_row_is_named_whatever_was_edited(signed: Log):
    for position, change in enumerate(EDITS, 11):
        signed.tamper(f"UPDATE stored_events SET {change} WHERE notification_id = %s", position)  # noqa: S608
    found = signed.findings()
    assert [(each.copy, each.kind, each.position) for each in found] == [
        ("store", "edited", position) for position, _ in enumerate(EDITS, 11)
    ]
    assert f"{signed.stage}.stored_events" in found[0].message


def test_a_deleted_row_is_named(signed: Log):
    signed.tamper("DELETE FROM stored_events WHERE notification_id = 13")
    kind, position, message = the_finding(signed, "store")
    assert (kind, position) == ("deleted", 13)
    assert "it was RequestWithdrawn.v1 00000000-0000-0000-0000-000000000005/13" in message


def test_a_deleted_row_is_named_even_when_all_behind_it_were_renumbered(signed: Log):
    signed.tamper("DELETE FROM stored_events WHERE notification_id = 13")
    signed.tamper("UPDATE stored_events SET notification_id = -notification_id WHERE notification_id > 13")
    signed.tamper("UPDATE stored_events SET notification_id = -notification_id - 1 WHERE notification_id < 0")
    first = signed.findings()[0]
    assert (first.copy, first.kind, first.position) == ("store", "deleted", 13)


def test_an_inserted_row_is_named(signed: Log):
    signed.tamper("UPDATE stored_events SET notification_id = -notification_id WHERE notification_id >= 13")
    signed.tamper("UPDATE stored_events SET notification_id = -notification_id + 1 WHERE notification_id < 0")
    signed.tamper(
        "INSERT INTO stored_events SELECT originator_id, 999, topic, state, 13, recorded_at, clock FROM stored_events "
        "WHERE notification_id = 12"
    )
    first = signed.findings()[0]
    assert (first.copy, first.kind, first.position) == ("store", "inserted", 13)
    assert "/999 was inserted as event 13" in first.message


def test_two_swapped_rows_are_named(signed: Log):
    swap_rows(signed, 13, 17)
    found = signed.findings()
    assert [(each.copy, each.kind, each.position) for each in found] == [
        ("store", "swapped", 13),
        ("store", "swapped", 17),
    ]


def swap_rows(log: Log, one: int, other: int) -> None:
    for before, after in ((one, -1), (other, one), (-1, other)):
        log.tamper("UPDATE stored_events SET notification_id = %s WHERE notification_id = %s", after, before)


def test_a_truncated_table_is_named(signed: Log):
    signed.tamper("DELETE FROM stored_events WHERE notification_id > 25")
    kind, position, message = the_finding(signed, "store")
    assert (kind, position) == ("truncated", 26)
    assert "ends at event 25, 30 were signed" in message


def test_random_changes_of_a_bit_are_found_where_they_are(signed: Log):
    randomly = random.Random(11)
    for _ in range(6):
        position = randomly.randrange(1, EVENTS + 1)
        place, bit = randomly.randrange(20), randomly.randrange(7)
        flip = "UPDATE stored_events SET state = set_bit(state, %s, 1 - get_bit(state, %s)) WHERE notification_id = %s"
        signed.tamper(flip, place * 8 + bit, place * 8 + bit, position)
        assert the_finding(signed, "store")[:2] == ("edited", position)
        signed.tamper(flip, place * 8 + bit, place * 8 + bit, position)
    assert signed.findings() == []


# Kafka: other records take the place of those on the topic, as one who owns the broker can arrange


def events_of(log: Log) -> list[RecordedEvent]:
    return log.recorder.read(0, 1_000)


def remake(log: Log, events: list[RecordedEvent]) -> None:
    """The topic emptied, and filled with these records."""
    admin = AdminClient(for_librdkafka(log.config))
    ends = end_offsets(log.config, [(log.name, partition) for partition in range(PARTITIONS)])
    emptied = admin.delete_records([TopicPartition(*place, offset) for place, offset in ends.items() if offset])
    for future in emptied.values():
        future.result(60)
    producer = Producer(for_librdkafka(log.config) | {"partitioner": "murmur2_random"})
    for event in events:
        log.produce(producer, event)
    producer.flush(30)


def test_an_edited_record_is_named(signed: Log):
    events = events_of(signed)
    events[12] = events[12]._replace(body=b'{"withdrawn_by":"boris","reason":null}')
    remake(signed, events)
    kind, position, message = the_finding(signed, "topic")
    assert (kind, position) == ("edited", 13)
    assert f"the topic {signed.name}" in message


def test_a_deleted_and_a_missing_last_record_are_named(signed: Log):
    events = events_of(signed)
    remake(signed, [*events[:12], *events[13:]])
    assert the_finding(signed, "topic")[:2] == ("deleted", 13)
    remake(signed, events[:25])
    assert the_finding(signed, "topic")[:2] == ("truncated", 26)


def test_an_inserted_record_is_named(signed: Log):
    events = events_of(signed)
    new = events[12]._replace(version=999)
    moved = [event._replace(position=event.position + 1) for event in events[12:]]
    remake(signed, [*events[:12], new, *moved])
    first = signed.findings()[0]
    assert (first.copy, first.kind, first.position) == ("topic", "inserted", 13)


def test_swapped_records_are_named(signed: Log):
    events = events_of(signed)
    one, other = events[12], events[16]
    swapped = [*events]
    swapped[12], swapped[16] = other._replace(position=13), one._replace(position=17)
    remake(signed, swapped)
    found = [(each.copy, each.kind, each.position) for each in signed.findings()]
    assert found == [("topic", "swapped", 13), ("topic", "swapped", 17)]
    # The same events under their own positions, but in another order within their partition.
    one, other = events[2], events[9]  # both of one request
    assert one.originator_id == other.originator_id
    remake(signed, [*events[:2], other, *events[3:9], one, *events[10:]])
    kind, position, message = the_finding(signed, "topic")
    assert (kind, position) == ("swapped", 3)
    assert "readers pass it over" in message


def test_what_no_relay_wrote_is_named(signed: Log):
    producer = Producer(for_librdkafka(signed.config) | {"partitioner": "murmur2_random"})
    event = events_of(signed)[0]
    signed.produce(producer, event)  # a late duplicate: harmless
    producer.flush(30)
    assert signed.findings() == []
    signed.produce(producer, event._replace(body=b"{}"))
    signed.produce(producer, event, headers=[("ce_source", b"/evil"), ("ce_position", b"31")])
    signed.produce(producer, event, headers=[])
    signed.produce(producer, event._replace(position=10**15))
    producer.flush(30)
    found = [(each.kind, each.position) for each in signed.findings()]
    assert found == [("duplicate", 1), ("foreign", None), ("foreign", None), ("inserted", 10**15)]
    with signed.follower() as follower:
        deadline = time.monotonic() + 60
        while follower.oddities < 3 and time.monotonic() < deadline:
            follower.step(0.2)
        assert follower.oddities == 3
        assert follower.logs[signed.name].tree.size == EVENTS


def test_a_header_that_was_added_is_found(signed: Log):
    events = events_of(signed)
    remake(signed, [])
    producer = Producer(for_librdkafka(signed.config) | {"partitioner": "murmur2_random"})
    from postavka.kernel.outbox.relay import envelope_of

    for event in events:
        headers = envelope_of(event, f"/postavka/{signed.stage}").headers()
        signed.produce(producer, event, headers=[*headers, ("x", b"y")] if event.position == 13 else headers)
    producer.flush(30)
    assert the_finding(signed, "topic")[:2] == ("edited", 13)


def test_bytes_that_were_changed_on_the_brokers_disk_are_named(log: Log):
    admin = AdminClient(for_librdkafka(log.config))
    resource = ConfigResource(ConfigResource.Type.BROKER, "1")
    data = Path(admin.describe_configs([resource])[resource].result(30)["log.dirs"].value)
    if not data.is_dir():
        pytest.skip("the broker of this run keeps its files on another machine")
    log.add(EVENTS)
    log.sign()
    assert log.findings() == []
    segments = [file for file in data.glob(f"{log.name}-*/*.log") if b'"reason":"13"' in file.read_bytes()]
    assert len(segments) == 1
    content = bytearray(segments[0].read_bytes())
    place = content.index(b'"reason":"13"') + len(b'"reason":"')
    content[place : place + 2] = b"99"
    make_sums_right(content)
    with segments[0].open("r+b") as file:  # in place: the broker goes on serving it
        file.write(content)
    assert the_finding(log, "topic")[:2] == ("edited", 13)


def make_sums_right(segment: bytearray) -> None:
    """The checksum of each batch, as one who knows Kafka's format does it."""
    place = 0
    while place + 12 < len(segment):
        length = int.from_bytes(segment[place + 8 : place + 12], "big")
        if not length:
            break
        end = place + 12 + length
        segment[place + 17 : place + 21] = calc_crc32c(bytes(segment[place + 21 : end])).to_bytes(4, "big")
        place = end


# Both, and the evidence


def rewrite_everything(log: Log) -> None:
    """An event is other in the store, on the topic and in the trees, with fresh hashes everywhere."""
    log.tamper("UPDATE stored_events SET state = convert_to('{}', 'UTF8') WHERE notification_id = 13")
    remake(log, events_of(log))
    with connect(log.config) as connection:
        for forget in ("tiles WHERE log", "followed WHERE name", "logs WHERE name"):
            connection.execute(SQL(f"DELETE FROM {forget} LIKE %s"), (f"{log.name}%",))  # noqa: S608


def test_a_log_that_was_rewritten_everywhere_is_found_by_the_evidence(signed: Log):
    rewrite_everything(signed)
    found = signed.findings()
    assert [(each.copy, each.kind, each.position) for each in found] == [
        ("topic", "edited", 13),
        ("store", "edited", 13),
    ]
    with signed.follower() as follower:
        signed.grow(follower, EVENTS)
        signed.add(5)
        signed.grow(follower, EVENTS + 5)
        assert follower.sign() == []  # never over what is not what was signed
        trouble = follower.trouble()
    assert "not those of the checkpoint" in str(trouble)


def test_without_leaf_hashes_checkpoints_still_say_between_which_events(signed: Log):
    rewrite_everything(signed)
    (signed.audit.evidence_folder(signed.config) / f"{signed.name}.leaves").unlink()
    kind, position, message = the_finding(signed, "topic")
    assert (kind, position) == ("rewritten", 1)
    assert "between event 1 and event 20" in message


def test_checkpoints_that_were_kept_elsewhere_count(signed: Log, tmp_path):
    kept = tmp_path / "elsewhere"
    kept.mkdir()
    folder = signed.audit.evidence_folder(signed.config)
    for file in folder.iterdir():
        (kept / file.name).write_bytes(file.read_bytes())
    trusted = keys.published_keys(signed.audit.key_file(signed.config))
    # Everything here is made anew, with a new key: only who has kept key and evidence can tell.
    rewrite_everything(signed)
    with connect(signed.config) as connection:
        connection.execute("DELETE FROM checkpoints WHERE log = %s", (signed.name,))
        connection.execute("DELETE FROM keys.fingerprints")
    for file in (*folder.iterdir(), *signed.audit.key_file(signed.config).parent.glob("*.key*")):
        file.unlink()
    signed.sign()
    assert [each for each in signed.findings() if each.kind != "checkpoint"] == []
    found = signed.findings(trusted=trusted, evidence=kept)
    assert ("topic", "edited", 13) in [(each.copy, each.kind, each.position) for each in found]
    assert any(each.kind == "checkpoint" and "signed by none of your keys" in each.message for each in found)


def test_a_forged_tree_and_forged_evidence_are_named(signed: Log):
    with connect(signed.config) as connection:
        connection.execute(
            "UPDATE tiles SET hashes = overlay(hashes PLACING %s FROM 321) WHERE log = %s AND level = 0",
            (bytes(32), signed.name),
        )
    assert the_finding(signed, "tree")[:2] == ("edited", 11)
    with connect(signed.config) as connection:
        connection.execute("UPDATE checkpoints SET note = replace(note, '30', '31') WHERE log = %s", (signed.name,))
    assert {(each.kind, each.copy) for each in signed.findings()} == {
        ("edited", "tree"),
        ("checkpoint", "audit.checkpoints in PostgreSQL"),
    }
    folder = signed.audit.evidence_folder(signed.config)
    leaves = folder / f"{signed.name}.leaves"
    leaves.write_bytes(leaves.read_bytes()[:-64])
    assert ("evidence", "truncated", 29) in [(each.copy, each.kind, each.position) for each in signed.findings()]


# The service


def test_it_signs_what_has_come_and_goes_on_after_a_crash(log: Log):
    log.add(300)
    with log.follower() as follower:
        log.grow(follower, 300)
        assert [each.size for each in follower.sign()] == [300]
        assert follower.sign() == []  # nothing has come
        log.add(7)
        follower.step(1.0)
        follower._session.close()  # it dies here: nothing of the seven is kept
        follower._session = connect(log.config)
    log.add(3)
    log.sign()
    assert log.findings() == []
    trusted = keys.published_keys(log.audit.key_file(log.config))
    evidence = check_evidence(log.audit.evidence_folder(log.config), log.name, trusted)
    assert (evidence.size, len(evidence.checkpoints)) == (310, 2)


def test_a_torn_write_into_the_evidence_is_mended(log: Log):
    log.add(10)
    log.sign()
    folder = log.audit.evidence_folder(log.config)
    with (folder / f"{log.name}.checkpoints").open("ab") as file:
        file.write(b"postavka/toy.events\n20\nAAAA")
    with (folder / f"{log.name}.leaves").open("ab") as file:
        file.write(b"torn")
    log.add(10)
    log.sign()
    trusted = keys.published_keys(log.audit.key_file(log.config))
    assert check_evidence(folder, log.name, trusted).size == 20


def test_a_key_is_changed_without_breaking_the_chain_of_trust(log: Log):
    log.add(5)
    log.sign()
    file = log.audit.key_file(log.config)
    first = keys.published_keys(file)
    new = keys.new_key(keys.next_file(file))
    log.add(5)
    log.sign()  # announces
    log.add(5)
    log.sign()  # with the new key
    assert keys.read_key(file).verifier == new.verifier
    assert not keys.next_file(file).exists()
    assert file.stat().st_mode & 0o777 == 0o600
    evidence = check_evidence(log.audit.evidence_folder(log.config), log.name, first)
    assert [each.size for each in evidence.checkpoints] == [5, 10, 15]
    assert log.findings(trusted=first) == []


def test_a_machine_without_the_key_of_checkpoints_does_not_sign(log: Log, tmp_path: Path):
    log.add(5)
    log.sign()
    empty = log.config.model_copy(update={"home": tmp_path / "another"})
    with pytest.raises(NoKey, match="copy it here"):
        Signer(empty, log.audit, [log.name])
    keys.new_key(log.audit.key_file(empty))
    with pytest.raises(WrongKey, match="POSTAVKA_AUDIT_KEY"):
        Signer(empty, log.audit, [log.name])


def test_with_servers_of_ones_own_the_key_of_checkpoints_must_be_given(log: Log):
    config = log.config.model_copy(update={"make_keys": False})
    with pytest.raises(NoKey, match=r"postavka audit new-key .*checkpoint\.key"):
        Signer(config, log.audit, [log.name])
    assert not log.audit.key_file(config).exists()


def test_the_key_of_checkpoints_may_be_a_credential(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Credentials can't be written, and beside the key lies what is known of it."""
    given = keys.new_key(tmp_path / "credentials" / "POSTAVKA_AUDIT_KEY")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    config = log.config.model_copy(update={"make_keys": False})
    assert Signer(config, log.audit, [log.name]).key.verifier == given.verifier
    assert log.audit.key_file(config).stat().st_mode & 0o777 == 0o600
    assert [each.name for each in (tmp_path / "credentials").iterdir()] == ["POSTAVKA_AUDIT_KEY"]


def test_a_key_that_was_changed_is_known_though_this_was_not_noted(log: Log):
    log.add(5)
    log.sign()
    before = registered(log.config)
    keys.new_key(keys.next_file(log.audit.key_file(log.config)))
    keys.take_next(log.audit.key_file(log.config))  # and the process was killed
    log.add(5)
    log.sign()
    assert registered(log.config) != before
    assert log.findings() == []


def test_only_one_service_signs(log: Log):
    with log.follower():
        assert not Signer(log.config, log.audit, [log.name]).try_to_start()


def test_a_position_that_stays_without_an_event_does_not_stop_the_tree(log: Log):
    log.add(5)
    log.tamper("UPDATE stored_events SET notification_id = notification_id + 1 WHERE notification_id = 5")
    log.tamper("UPDATE head SET position = 6")
    remake(log, events_of(log))
    with log.follower() as follower:
        follower.gap_seconds = 0.2
        log.grow(follower, 6)
        follower.sign()
    assert log.findings() == []


def test_leaves_of_store_and_topic_are_the_same(log: Log):
    from services.audit.integrity.copies import read_store, read_topic

    log.add(40)
    with connect(log.config) as connection:
        assert read_topic(log.config, log.name)[0].leaves == read_store(connection, log.name).leaves
    assert UUID(int=5) in {event.originator_id for event in events_of(log)}
