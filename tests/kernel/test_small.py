"""The small parts of the kernel: clock, watchdog, migration, tail and follower, partitioner, settings, connection."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ListOffsetsResultInfo, NewTopic
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from postavka.kernel.clock import COUNTER_BITS, Clock, wall_time
from postavka.kernel.log import tail, topics
from postavka.kernel.log.connection import NoKafka, bootstrap, for_aiokafka, for_librdkafka
from postavka.kernel.log.follower import Follower
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.tail import end_offsets, latest_offsets, read_to_end
from postavka.kernel.log.topics import WrongTopics, check_topics, ensure_topics
from postavka.kernel.outbox.command_sender import NoTopic, NotSent, Sender
from postavka.kernel.process.progress import Progress
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.stage.faust_worker import _credentials
from postavka.kernel.store.migration import EVENT_STORE, ChangedMigration, MigrationSet, migrate
from tests.kernel.conftest import MakeTopics
from tests.kernel.polling import PATIENCE_SECONDS
from tests.kernel.toys import unique_name

# The end of a topic


class MovingLeader:
    """An admin client whose broker answers with an error so often, then with the offset."""

    def __init__(self, error: int, times: int) -> None:
        self._error, self._times = error, times
        self.asked: list[int] = []

    def list_offsets(self, wanted: Any, **_: object) -> dict[Any, Future[ListOffsetsResultInfo]]:
        self.asked.append(len(wanted))
        answers: dict[Any, Future[ListOffsetsResultInfo]] = {}
        for place in wanted:
            answers[place] = Future()
            if place.partition == 1 and self._times:
                self._times -= 1
                answers[place].set_exception(KafkaException(KafkaError(self._error)))
            else:
                answers[place].set_result(ListOffsetsResultInfo(40 + place.partition, 0, 0))
        return answers

    def list_topics(self, timeout: float) -> None: ...


def test_a_partition_whose_leader_is_moving_is_asked_again() -> None:
    """So it is right after a topic was made, too."""
    admin: Any = MovingLeader(KafkaError.NOT_LEADER_FOR_PARTITION, 2)
    assert latest_offsets(admin, [("t", 0), ("t", 1)]) == {("t", 0): 40, ("t", 1): 41}
    assert admin.asked == [2, 1, 1]


def test_another_error_of_the_broker_is_told_at_once() -> None:
    admin: Any = MovingLeader(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        latest_offsets(admin, [("t", 0), ("t", 1)])
    assert admin.asked == [2]


def test_a_leader_that_never_comes_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "TIMEOUT_SECONDS", 0.1)
    admin: Any = MovingLeader(KafkaError.LEADER_NOT_AVAILABLE, 1_000_000)
    with pytest.raises(KafkaException):
        latest_offsets(admin, [("t", 1)])
    assert len(admin.asked) > 1


def test_nothing_is_asked_about_no_partitions() -> None:
    admin: Any = None
    assert latest_offsets(admin, []) == {}


# Tail and follower


def produced(settings: Settings, topic: str, count: int, key: Callable[[int], bytes]) -> dict[bytes, int]:
    """Send so many records with our partitioner; where the broker has put each key."""
    placed: dict[bytes, int] = {}
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(error)
        else:
            placed[message.key()] = message.partition()

    producer = Producer(for_librdkafka(settings) | {"partitioner": "murmur2_random"})
    for number in range(count):
        producer.produce(topic, b"%d" % number, key(number), headers=[("n", b"1"), ("n", None)], on_delivery=delivered)
    assert producer.flush(30) == 0
    assert not failed
    return placed


def everything(topic: str, offset: int = 0) -> dict[tuple[str, int], int]:
    return {(topic, partition): offset for partition in range(PARTITIONS)}


def test_a_range_is_read_to_its_end_in_order(settings: Settings, topic: str) -> None:
    produced(settings, topic, 3_000, lambda number: b"%d" % (number % 50))
    records = [record for batch in read_to_end(settings, everything(topic)) for record in batch]
    assert sorted(int(record.value or b"") for record in records) == list(range(3_000))
    for partition in range(PARTITIONS):
        assert [each.offset for each in records if each.partition == partition] == list(
            range(sum(each.partition == partition for each in records))
        )
    assert records[0].headers == (("n", b"1"), ("n", None))
    ends = end_offsets(settings, everything(topic))
    assert sum(ends.values()) == 3_000

    behind = {place: max(0, end - 2) for place, end in ends.items()}
    rest = [record for batch in read_to_end(settings, behind) for record in batch]
    assert len(rest) == sum(min(2, end) for end in ends.values())
    assert list(read_to_end(settings, ends)) == []
    assert list(read_to_end(settings, everything(topic, 1_000_000))) == []
    assert len([each for batch in read_to_end(settings, everything(topic, -1)) for each in batch]) == 3_000


def test_a_range_whose_beginning_was_cut_off_is_read_from_what_is_left(settings: Settings, topic: str) -> None:
    produced(settings, topic, 300, lambda number: b"%d" % (number % 50))
    ends = end_offsets(settings, everything(topic))
    admin = AdminClient(for_librdkafka(settings))
    cut = [TopicPartition(*place, end // 2) for place, end in ends.items()]
    for deleted in admin.delete_records(cut).values():
        deleted.result()
    records = [record for batch in read_to_end(settings, everything(topic)) for record in batch]
    assert sorted((each.partition, each.offset) for each in records) == [
        (partition, offset) for (_, partition), end in sorted(ends.items()) for offset in range(end // 2, end)
    ]


def test_an_empty_topic_has_no_tail(settings: Settings, topic: str) -> None:
    assert list(read_to_end(settings, everything(topic))) == []
    assert list(read_to_end(settings, {})) == []


def followed(follower: Follower, count: int) -> list[bytes]:
    """What comes, until there are so many."""
    found: list[bytes] = []
    for batch in follower.records(PATIENCE_SECONDS):
        found += [record.value or b"" for record in batch]
        if len(found) >= count:
            break
    return found


def test_a_follower_sees_what_comes_from_now_on(settings: Settings, topic: str) -> None:
    produced(settings, topic, 20, lambda number: b"old")
    with Follower(settings, [topic]) as follower:
        produced(settings, topic, 20, lambda number: b"k%d" % number)
        assert sorted(followed(follower, 20), key=int) == [b"%d" % number for number in range(20)]


def test_a_follower_from_a_moment_sees_what_came_since(settings: Settings, topic: str) -> None:
    produced(settings, topic, 20, lambda number: b"k%d" % number)
    with Follower(settings, [topic], datetime(2020, 1, 1, tzinfo=UTC)) as follower:
        assert len(followed(follower, 20)) == 20
    with Follower(settings, [topic], datetime(2100, 1, 1, tzinfo=UTC)) as follower:
        assert [record for batch in follower.records(0.3) for record in batch] == []


# Partitions


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_partitioner_is_the_murmur2_of_kafkas_own_clients(key: bytes, expected: int) -> None:
    """Vectors from Kafka's UtilsTest.testMurmur2."""
    assert partition_of(key, 2**31) == expected & 0x7FFFFFFF
    assert partition_of(key, PARTITIONS) == (expected & 0x7FFFFFFF) % PARTITIONS


def test_the_broker_has_keys_where_we_say(settings: Settings, topic: str) -> None:
    placed = produced(settings, topic, 200, lambda number: str(uuid4()).encode())
    assert len(placed) == 200
    assert placed == {key: partition_of(key, PARTITIONS) for key in placed}


# Clock


@given(st.lists(st.tuples(st.integers(0, 2**46), st.lists(st.integers(0, 2**62), max_size=3)), min_size=1))
def test_a_clock_goes_forward_and_is_later_than_what_was_seen(steps: list[tuple[int, list[int]]]) -> None:
    walls = iter([wall for wall, _ in steps])
    clock = Clock(lambda: next(walls))
    last = 0
    for wall, seen in steps:
        reading = clock.tick(*seen)
        assert reading > last
        assert all(reading > each for each in seen)
        assert reading >= wall << COUNTER_BITS
        assert reading == max([wall << COUNTER_BITS, last + 1, *(each + 1 for each in seen)]), (
            "and no later than needed"
        )
        last = reading


@given(st.integers(0, 2**40))
def test_a_reading_tells_the_wall_clock(milliseconds: int) -> None:
    reading = Clock(lambda: milliseconds).tick()
    assert wall_time(reading) == datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_a_chain_of_causes_over_machines_with_wrong_clocks_sorts_in_order() -> None:
    machines = [Clock(lambda: 5_000), Clock(lambda: 10), Clock(lambda: 90_000), Clock(lambda: 1)]
    chain = [0]
    for number in range(40):
        chain.append(machines[number % 4].tick(chain[-1]))
    assert chain == sorted(set(chain))


def test_a_clock_reads_the_time_of_day() -> None:
    before = datetime.now(UTC)
    reading = wall_time(Clock().tick())
    assert before - timedelta(milliseconds=1) <= reading <= datetime.now(UTC)


# Watchdog


def test_lag_without_progress_for_longer_than_the_patience_is_told() -> None:
    progress = Progress(20.0)
    ends, handled = {("t", 3): 10}, {("t", 3): 4}
    assert progress.see(100.0, ends, handled) is None
    assert progress.see(120.0, ends, handled) is None
    told = progress.see(120.5, ends, handled)
    assert told is not None
    assert told.startswith("t/3 stands at offset 4 of 9")


def test_any_progress_begins_the_patience_anew() -> None:
    progress = Progress(20.0)
    for second in range(0, 300, 15):
        assert progress.see(float(second), {("t", 0): 1_000}, {("t", 0): second}) is None


def test_a_partition_that_caught_up_is_forgotten() -> None:
    progress = Progress(20.0)
    progress.see(0.0, {("t", 0): 10}, {("t", 0): 4})
    assert progress.see(10.0, {("t", 0): 10}, {("t", 0): 9}) is None
    assert progress.see(30.0, {("t", 0): 11}, {("t", 0): 9}) is None, "the lag is new"
    assert progress.see(51.0, {("t", 0): 11}, {("t", 0): 9}) is not None


def test_one_partition_that_stands_is_told_beside_others_that_go_on() -> None:
    progress = Progress(20.0)
    for second in (0, 10, 20):
        progress.see(float(second), {("t", 0): 1_000, ("t", 1): 5}, {("t", 0): second})
    told = progress.see(21.0, {("t", 0): 1_000, ("t", 1): 5}, {("t", 0): 21})
    assert told is not None
    assert told.startswith("t/1 stands at offset -1 of 4"), "nothing of it was ever handled"


def by_turns() -> Progress:
    return Progress(20.0, turns=10, many=500)


def test_with_much_to_read_one_may_wait_for_its_turn_while_others_go_on() -> None:
    progress = by_turns()
    ends = {("t", 0): 1_000, ("t", 1): 5}
    for second in range(0, 200, 10):
        assert progress.see(float(second), ends, {("t", 0): second, ("t", 1): 3}) is None
        assert progress.standstill(float(second)) == 0.0
    told = progress.see(200.5, ends, {("t", 0): 200, ("t", 1): 3})
    assert told is not None, "but not for ever"
    assert told.startswith("t/1")


def test_with_little_to_read_there_are_no_turns() -> None:
    progress = by_turns()
    ends = {("t", 0): 400, ("t", 1): 5}
    for second in (0, 10, 20):
        assert progress.see(float(second), ends, {("t", 0): second, ("t", 1): 3}) is None
    assert progress.standstill(20.0) == 20.0
    assert progress.see(20.5, ends, {("t", 0): 21, ("t", 1): 3}) is not None


def test_when_none_goes_on_turns_do_not_count() -> None:
    progress = by_turns()
    ends = {("t", 0): 1_000, ("t", 1): 5}
    assert progress.see(0.0, ends, {("t", 0): 1}) is None
    assert progress.see(20.5, ends, {("t", 0): 1}) is not None


def test_partitions_that_come_and_go_are_no_progress() -> None:
    progress = by_turns()
    ends = {("t", 0): 1_000, ("t", 1): 1_000}
    for second in (0, 5, 10, 15, 20):
        there = {("t", 0): 7} if second % 2 else {("t", 0): 7, ("t", 1): 7}
        assert progress.see(float(second), ends, there) is None
    assert progress.see(20.5, ends, {("t", 0): 7}) is not None


def test_time_while_a_server_was_away_does_not_count() -> None:
    progress = Progress(20.0)
    progress.see(0.0, {("t", 0): 10}, {})
    progress.forgive()
    assert progress.see(100.0, {("t", 0): 10}, {}) is None
    assert progress.see(121.0, {("t", 0): 10}, {}) is not None


def test_an_empty_partition_has_no_lag() -> None:
    progress = Progress(20.0)
    assert progress.see(0.0, {("t", 0): 0}, {}) is None
    assert progress.see(100.0, {("t", 0): 0}, {}) is None


@given(st.dictionaries(st.tuples(st.just("t"), st.integers(0, 11)), st.tuples(st.integers(0, 50), st.integers(-1, 49))))
def test_lag_is_what_is_not_handled(seen: dict[tuple[str, int], tuple[int, int]]) -> None:
    ends = {place: end for place, (end, _) in seen.items()}
    handled = {place: reached for place, (_, reached) in seen.items()}
    assert Progress.lag(ends, handled) == sum(len(range(reached + 1, end)) for end, reached in seen.values())
    assert Progress.lag(ends, {}) == sum(ends.values())


# Migration


STORE_FILES = sorted(file.name for file in files(EVENT_STORE.package).joinpath("sql").iterdir())
"""What makes a stage's schema, in the order in which it runs."""
MIGRATED = MigrationSet("migrated", "migrated")


def test_migrating_twice_is_harmless(database: str) -> None:
    assert migrate(database, "toy", EVENT_STORE) == STORE_FILES
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE toy.head SET position = 7")
    assert migrate(database, "toy", EVENT_STORE) == []
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT position FROM toy.head").fetchone() == (7,)


def test_migrating_in_several_processes_at_once(database: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        ran = list(threads.map(lambda _: migrate(database, "toy", EVENT_STORE), range(4)))
    assert sorted(ran) == [[], [], [], STORE_FILES]


def test_schemas_do_not_meet(database: str) -> None:
    migrate(database, "toy", EVENT_STORE)
    assert migrate(database, "other toy", EVENT_STORE) == STORE_FILES
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE toy.head SET position = 7")
        assert connection.execute('SELECT position FROM "other toy".head').fetchone() == (0,)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The `sql` folder of a package of its own, named `migrated`."""
    folder = tmp_path / "migrated" / "sql"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("migrated", None)


def test_a_numbered_file_that_was_changed_after_it_ran_is_refused(database: str, package: Path) -> None:
    (package / "001_a.sql").write_text("CREATE TABLE a ()")
    migrate(database, "toy", MIGRATED)
    (package / "001_a.sql").write_text("CREATE TABLE a (b int)")
    with pytest.raises(ChangedMigration, match=r"001_a\.sql was changed"):
        migrate(database, "toy", MIGRATED)


def test_a_function_that_was_changed_runs_again_and_a_new_file_once(database: str, package: Path) -> None:
    function = "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT {}'"
    (package / "fn_one.sql").write_text(function.format(1))
    assert migrate(database, "toy", MIGRATED) == ["fn_one.sql"]
    (package / "fn_one.sql").write_text(function.format(2))
    (package / "002_b.sql").write_text("CREATE TABLE b ()")
    (package / "010_c.sql").write_text("ALTER TABLE b ADD c int DEFAULT one()")
    (package / "011_wrong.sql").write_text("SELECT wrong")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        migrate(database, "toy", MIGRATED)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('toy.b'), toy.one()").fetchone() == (None, 1), "all or nothing"
    (package / "011_wrong.sql").unlink()
    assert migrate(database, "toy", MIGRATED) == ["002_b.sql", "010_c.sql", "fn_one.sql"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT toy.one()").fetchone() == (2,)


# Settings and connections


def secure(**changes: Any) -> Settings:
    """Those of a cluster with SASL over TLS."""
    values: dict[str, Any] = {
        "kafka_bootstrap_servers": "kafka-1:9094,kafka-2:9094",
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_sasl_username": "stage-toy",
        "kafka_sasl_password": "tops3cret",
        "database_url": "postgresql://toy:dbs3cret@db/postavka?sslmode=require",
    }
    return Settings(**(values | changes))


def test_secrets_are_not_shown() -> None:
    config = secure()
    shown = f"{config} {config!r} {config.model_dump()} {config.model_dump_json()}"
    assert "s3cret" not in shown
    assert config.kafka_sasl_password is not None
    assert config.kafka_sasl_password.get_secret_value() == "tops3cret"


def test_settings_come_from_the_environment_and_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "k:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/d")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("POSTAVKA_BATCH_RECORDS", "7")
    config = Settings()
    assert config.kafka_bootstrap_servers == "k:1"
    assert config.database_url == SecretStr("postgresql://h/d")
    assert (config.kafka_security_protocol, config.batch_records) == ("SASL_PLAINTEXT", 7)
    with pytest.raises(ValidationError):
        config.batch_records = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong", [{"kafka_security_protocol": "TLS"}, {"batch_records": 0}, {"stall_seconds": 0}, {"kafka_replication": 0}]
)
def test_a_setting_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        secure(**wrong)


def test_librdkafka_is_told_sasl_and_tls(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")}
    config = secure(
        kafka_ssl_cafile=files["ca.pem"], kafka_ssl_certfile=files["cert.pem"], kafka_ssl_keyfile=files["key.pem"]
    )
    assert for_librdkafka(config) == {
        "bootstrap.servers": "kafka-1:9094,kafka-2:9094",
        "security.protocol": "SASL_SSL",
        "log_level": 3,
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "stage-toy",
        "sasl.password": "tops3cret",
        "ssl.ca.location": str(files["ca.pem"]),
        "ssl.certificate.location": str(files["cert.pem"]),
        "ssl.key.location": str(files["key.pem"]),
    }


def test_aiokafka_and_faust_are_told_the_same() -> None:
    arguments = for_aiokafka(secure())
    context = arguments.pop("ssl_context")
    assert arguments == {
        "bootstrap_servers": "kafka-1:9094,kafka-2:9094",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "stage-toy",
        "sasl_plain_password": "tops3cret",
    }
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    credentials = _credentials(secure())
    assert (credentials.username, credentials.password, credentials.mechanism.value) == (
        "stage-toy",
        "tops3cret",
        "SCRAM-SHA-512",
    )
    assert credentials.protocol.value == "SASL_SSL"
    assert credentials.ssl_context.verify_mode == ssl.CERT_REQUIRED


def test_without_sasl_and_tls_nothing_of_them_is_told() -> None:
    plain = Settings(kafka_bootstrap_servers="k:9092")
    assert for_librdkafka(plain) == {
        "bootstrap.servers": "k:9092",
        "security.protocol": "PLAINTEXT",
        "log_level": 3,
    }
    assert for_aiokafka(plain) == {
        "bootstrap_servers": "k:9092",
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }
    assert _credentials(plain) is None
    assert _credentials(secure(kafka_security_protocol="SASL_PLAINTEXT")).protocol.value == "SASL_PLAINTEXT"


def test_a_client_certificate_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        for_aiokafka(secure(kafka_ssl_certfile=tmp_path / "none.pem"))


def test_without_a_broker_nothing_is_started() -> None:
    with pytest.raises(NoKafka):
        bootstrap(Settings(kafka_bootstrap_servers=None))


# Topics


def test_topics_are_made_to_be_kept_for_ever_and_found_again(settings: Settings, topic: str) -> None:
    assert ensure_topics(settings, [topic]) == []
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = AdminClient(for_librdkafka(settings))
    config = {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result().items()}
    assert (config["retention.ms"], config["cleanup.policy"], config["compression.type"]) == (
        "-1",
        "delete",
        "producer",
    )
    check_topics(settings, [topic])


def test_a_topic_that_the_broker_does_not_tell_of_yet_is_waited_for(
    settings: Settings, make_topics: MakeTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, told = unique_name(), topics._partitions
    answers: list[dict[str, int]] = []

    def slowly(admin: AdminClient) -> dict[str, int]:
        answers.append(told(admin))
        return {known: count for known, count in answers[-1].items() if known != name or len(answers) > 4}

    monkeypatch.setattr(topics, "_partitions", slowly)
    make_topics(name)
    assert len(answers) > 4
    assert answers[-1][name] == PARTITIONS


def test_a_missing_topic_is_named(settings: Settings) -> None:
    with pytest.raises(WrongTopics, match="no-such-topic: missing"):
        check_topics(settings, ["no-such-topic"])


def test_a_topic_with_another_number_of_partitions_is_refused(settings: Settings, make_topics: MakeTopics) -> None:
    name = unique_name()
    admin = AdminClient(for_librdkafka(settings))
    admin.create_topics([NewTopic(name, 3, 1)], operation_timeout=30)[name].result()
    try:
        with pytest.raises(WrongTopics, match=f"{name}: 3 partitions instead of 12"):
            ensure_topics(settings, [name])
    finally:
        admin.delete_topics([name])[name].result()


# Sending


def test_a_command_for_a_topic_that_is_not_there_is_refused_at_once_by_name(settings: Settings) -> None:
    missing = unique_name()
    with pytest.raises(NoTopic, match=missing):
        Sender(settings, "/test").send_raw(missing, b"key", b"{}")


def test_what_was_sent_is_on_the_topic_when_flush_returns(settings: Settings, topic: str) -> None:
    sender = Sender(settings, "/test")
    sender.send_raw(topic, b"key", b"value", [("name", b"header")])
    sender.flush()
    batches = list(read_to_end(settings, {(topic, number): 0 for number in range(PARTITIONS)}))
    assert [(each.key, each.value, each.headers) for batch in batches for each in batch] == [
        (b"key", b"value", (("name", b"header"),))
    ]


def test_a_broker_that_does_not_answer_is_told_as_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postavka.kernel.outbox.command_sender.TIMEOUT_SECONDS", 1)
    nobody = Settings(kafka_bootstrap_servers="127.0.0.1:9", database_url="postgresql://unused")
    with pytest.raises(NotSent):
        Sender(nobody, "/test").send_raw("any", b"key", b"{}")


SAYS = """
import copy, pickle, sys
from postavka.kernel.process.logs import configure_logs, logger
from postavka.kernel.settings import Settings
log = logger("postavka.toy")
for each in (log, copy.copy(log), pickle.loads(pickle.dumps(log))):
    assert "structlog" not in sys.modules
configure_logs(Settings(log_format="json"), "toy")
for each in (log, copy.copy(log)):
    each.warning("said", token="abc")
"""


def test_a_logger_costs_nothing_until_something_is_written() -> None:
    said = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.count('"event": "said"') == 2
    assert "abc" not in said.stdout
