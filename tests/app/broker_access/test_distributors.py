"""What the broker lets a distributor do, tried with the clients that distributors have (L17)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion
from kafka.errors import ClusterAuthorizationFailedError
from kafka.protocol.admin import DescribeClientQuotasRequest
from pydantic import SecretStr

from events.topics import ALL_TOPICS, PER_DISTRIBUTOR, confirmations_of, notices_of
from postavka.app.broker_access.distributors import (
    QUOTA,
    Credentials,
    Distributors,
    NoSuchDistributor,
    ShortPassword,
)
from postavka.kernel.log.broker_access import Access, NoAccess, Permission, _acl, _filter
from postavka.kernel.log.connection import for_kafka_python, for_librdkafka
from postavka.kernel.log.sizes import SizesUnknown, topic_bytes
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.settings import Settings
from tests.app.broker_access.conftest import MakeDistributor
from tests.kernel.polling import PATIENCE_SECONDS, until

ACCEPTED = "accepted"


def client(made: Credentials, **changes: Any) -> dict[str, Any]:
    """As the distributor signs in."""
    lines = dict(line.split("=", 1) for line in made.kcat().splitlines())
    return {**lines, "log_level": 0, **changes}


def wrong(made: Credentials) -> dict[str, Any]:
    return client(made, **{"sasl.password": "not-the-password"})


def write(conf: Mapping[str, Any], topic: str, value: bytes = b"{}") -> str:
    """`accepted`, or the name of what the broker (or the door) says."""
    said: list[str] = []
    heard: list[KafkaError] = []
    producer = Producer(
        {**conf, "enable.idempotence": True, "message.timeout.ms": 20_000, "error_cb": heard.append, "acks": "all"}
    )
    try:
        producer.produce(
            topic,
            value,
            str(uuid4()).encode(),
            on_delivery=lambda error, _: said.append(error.name() if error else ACCEPTED),
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not said and not any(each.code() == KafkaError._AUTHENTICATION for each in heard):
            assert time.monotonic() < deadline, "no answer from the broker"
            producer.poll(0.1)
        return said[0] if said else "_AUTHENTICATION"
    finally:
        producer.purge()


def read(conf: Mapping[str, Any], topic: str, group: str) -> str:
    """`accepted` when a record came, or the name of what the broker says."""
    consumer = Consumer({**conf, "group.id": group, "auto.offset.reset": "earliest", "session.timeout.ms": 6_000})
    try:
        consumer.subscribe([topic])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                return ACCEPTED
            return str(error.name())
        raise AssertionError("neither a record nor a refusal")
    finally:
        consumer.close()


def as_administrator(settings: Settings, topic: str) -> None:
    assert write(for_librdkafka(settings), topic) == ACCEPTED


def test_a_distributor_writes_its_answers_and_reads_what_it_is_told(
    access: Distributors, make_distributor: MakeDistributor, admin_settings: Settings
):
    mine = access.add(make_distributor())
    own = mine.distributor_id
    assert write(client(mine), confirmations_of(own)) == ACCEPTED
    as_administrator(admin_settings, notices_of(own))
    assert read(client(mine), notices_of(own), f"distributors.{own}.erp") == ACCEPTED


def test_and_nothing_else(access: Distributors, make_distributor: MakeDistributor, admin_settings: Settings):
    mine, other = access.add(make_distributor()), access.add(make_distributor()).distributor_id
    own = mine.distributor_id
    stage_topics = [topic.name for topic in ALL_TOPICS if topic not in PER_DISTRIBUTOR]
    ensure_topics(admin_settings, stage_topics)
    for topic in [notices_of(own), confirmations_of(other), notices_of(other), *stage_topics]:
        assert write(client(mine), topic) == "TOPIC_AUTHORIZATION_FAILED", topic
    group = f"distributors.{own}.erp"
    for topic in [confirmations_of(own), confirmations_of(other), notices_of(other), "billing.events"]:
        assert read(client(mine), topic, group) == "TOPIC_AUTHORIZATION_FAILED", topic
    for theirs in (f"distributors.{other}.erp", f"distributors.{own}", "postavka-billing"):
        assert read(client(mine), notices_of(own), theirs) == "GROUP_AUTHORIZATION_FAILED", theirs


def test_it_sees_no_other_topic_and_administers_nothing(
    access: Distributors, make_distributor: MakeDistributor, admin_settings: Settings
):
    mine, _ = access.add(make_distributor()), access.add(make_distributor())
    admin = AdminClient(client(mine))
    own = mine.distributor_id
    assert set(admin.list_topics(timeout=10).topics) == {confirmations_of(own), notices_of(own)}
    for tried in (
        admin.create_topics([NewTopic(f"x{uuid4().hex}", 1, 1)]),
        admin.delete_topics([confirmations_of(own)]),
    ):
        with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
            next(iter(tried.values())).result(20)
    its = admin_settings.model_copy(
        update={"kafka_sasl_username": mine.user, "kafka_sasl_password": SecretStr(mine.password)}
    )
    with pytest.raises(NoAccess, match=f"{mine.user} may not alter the cluster"):
        Access(its)
    with pytest.raises(SizesUnknown, match=f"tells {mine.user} no sizes"):
        topic_bytes(its)
    assert topic_bytes(admin_settings)[confirmations_of(own)] >= 0
    raw = KafkaAdminClient(**for_kafka_python(its))
    try:
        password = UserScramCredentialUpsertion("admin", ScramMechanism.SCRAM_SHA_512, "a-password-of-mine")
        assert "needs ALTER permission" in raw.alter_user_scram_credentials([password])["admin"]
        permission = _acl(mine.user, Permission("topic", "billing.events", "read"))
        assert raw.create_acls([permission]) == {"succeeded": [], "failed": [ClusterAuthorizationFailedError]}
        assert [error for *_, error in raw.delete_acls([_filter(mine.user)])] == [ClusterAuthorizationFailedError]
        with pytest.raises(ClusterAuthorizationFailedError):
            raw.describe_acls(_filter(mine.user))
    finally:
        raw.close()


def test_a_stranger_and_a_wrong_password_stay_outside(access: Distributors, make_distributor: MakeDistributor):
    mine = access.add(make_distributor())
    topic = confirmations_of(mine.distributor_id)
    assert write(wrong(mine), topic) == "_AUTHENTICATION"
    stranger = client(mine, **{"sasl.username": f"{mine.distributor_id}.7"})
    assert write(stranger, topic) == "_AUTHENTICATION"


def test_a_name_that_begins_the_same_opens_nothing(
    access: Distributors, make_distributor: MakeDistributor, admin_settings: Settings
):
    """`north` is no prefix of `north-west`: neither topics nor groups."""
    mine = access.add(make_distributor())
    longer = mine.distributor_id + "-west"
    ensure_topics(admin_settings, [confirmations_of(longer)])
    try:
        assert write(client(mine), confirmations_of(longer)) == "TOPIC_AUTHORIZATION_FAILED"
        group = f"distributors.{longer}.erp"
        assert read(client(mine), notices_of(mine.distributor_id), group) == "GROUP_AUTHORIZATION_FAILED"
    finally:
        admin = AdminClient(for_librdkafka(admin_settings))
        for future in admin.delete_topics([confirmations_of(longer)]).values():
            future.result(30)


def test_credentials_are_changed_without_a_standstill(access: Distributors, make_distributor: MakeDistributor):
    old = access.add(make_distributor())
    new = access.rotate(old.distributor_id)
    topic = confirmations_of(old.distributor_id)
    assert (old.user, new.user) == (f"{old.distributor_id}.1", f"{old.distributor_id}.2")
    assert [write(client(each), topic) for each in (old, new)] == [ACCEPTED, ACCEPTED]
    assert access.revoke(old.distributor_id, old.user) == [old.user]
    assert [write(client(each), topic) for each in (old, new)] == ["_AUTHENTICATION", ACCEPTED]
    assert access.users(old.distributor_id) == [new.user]


def test_who_is_revoked_may_do_nothing_even_over_a_connection_that_is_open(
    access: Distributors, make_distributor: MakeDistributor
):
    mine = access.add(make_distributor())
    topic = confirmations_of(mine.distributor_id)
    answers: list[str] = []
    producer = Producer(client(mine, **{"message.timeout.ms": 20_000}))

    def answer() -> str:
        producer.produce(topic, b"{}", on_delivery=lambda error, _: answers.append(error.name() if error else ACCEPTED))
        producer.flush(20)
        return answers[-1]

    assert answer() == ACCEPTED
    access.revoke(mine.distributor_id)
    until(lambda: answer() == "TOPIC_AUTHORIZATION_FAILED", "the open connection is refused")
    assert write(client(mine), topic) == "_AUTHENTICATION"
    assert access.users(mine.distributor_id) == []


def test_adding_again_gives_a_new_password_at_once(access: Distributors, make_distributor: MakeDistributor):
    first = access.add(make_distributor())
    again = access.add(first.distributor_id, "a-password-of-its-own")
    topic = confirmations_of(first.distributor_id)
    assert (again.user, again.password) == (first.user, "a-password-of-its-own")
    assert [write(client(each), topic) for each in (first, again)] == ["_AUTHENTICATION", ACCEPTED]


def test_every_user_has_limits_as_long_as_it_exists(
    access: Distributors, make_distributor: MakeDistributor, admin_settings: Settings
):
    mine = access.add(make_distributor())
    wanted = {"producer_byte_rate": 100_000, "consumer_byte_rate": 5_000_000, "request_percentage": 50}
    assert limits(admin_settings, mine.user) == wanted
    access.revoke(mine.distributor_id)
    assert limits(admin_settings, mine.user) == {}


def test_limits_of_an_earlier_release_are_seen_and_mended(access: Distributors, make_distributor: MakeDistributor):
    mine, other = access.add(make_distributor()), access.add(make_distributor())
    assert not {mine.user, other.user} & set(access.with_other_limits())
    access._access.set_quota(mine.user, replace(QUOTA, written_bytes=1_000_000))
    access._access.set_quota(other.user, None)
    until(lambda: {mine.user, other.user} <= set(access.with_other_limits()), "the broker says so")
    assert {mine.user, other.user} <= set(access.limit())
    until(lambda: not {mine.user, other.user} & set(access.with_other_limits()), "the limits are those of today")


def limits(settings: Settings, user: str) -> dict[str, float]:
    admin = KafkaAdminClient(**for_kafka_python(settings))
    component = DescribeClientQuotasRequest.ComponentData(entity_type="user", match_type=0, match=user)
    request = DescribeClientQuotasRequest(components=[component], strict=True)
    try:
        answer = admin._manager.run(admin._manager.send, request)
    finally:
        admin.close()
    return {value.key: value.value for entry in answer.entries or () for value in entry.values}


def test_the_list_shows_who_has_users_and_what_is_missing(access: Distributors, make_distributor: MakeDistributor):
    without = make_distributor()
    mine = access.add(make_distributor())
    found = {each.distributor_id: each for each in access.standings()}
    assert found[without].users == ()
    assert (found[mine.distributor_id].users, found[mine.distributor_id].missing) == ((mine.user,), ())
    access._access.forbid(mine.user, access._access.permissions(mine.user)[:1])
    found = {each.distributor_id: each for each in access.standings()}
    assert found[mine.distributor_id].missing == (mine.user,)


def test_only_distributors_of_the_reference_data_are_added(access: Distributors, make_distributor: MakeDistributor):
    known = make_distributor()
    with pytest.raises(NoSuchDistributor, match="no distributor 'dist-nowhere'"):
        access.add("dist-nowhere")
    with pytest.raises(NoSuchDistributor, match="has no user yet"):
        access.rotate(known)
    with pytest.raises(NoSuchDistributor, match="has no user"):
        access.revoke(known)


@pytest.mark.parametrize("password", ["short", "with a space in it", 'with"quotes"in-it"', "пароль-по-русски-длинный"])
def test_a_weak_password_is_refused_before_anything_is_made(
    access: Distributors, make_distributor: MakeDistributor, password: str
):
    known = make_distributor()
    with pytest.raises(ShortPassword):
        access.add(known, password)
    assert access.users(known) == []


def test_a_password_is_not_shown_by_accident(access: Distributors, make_distributor: MakeDistributor):
    mine = access.add(make_distributor())
    assert mine.password not in f"{mine} {mine!r}"
