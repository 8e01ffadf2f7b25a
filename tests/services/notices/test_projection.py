"""From records to the outbox: letters, notices, receipts; everything once, whatever is read again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient

from events.billing import ConfirmationHeld, ConfirmationRefused
from events.envelope import Envelope
from events.model import Message, Reason
from events.topics import (
    confirmations_of,
    notices_of,
)
from postavka.app.one_box.launcher import SAMPLE
from postavka.domain.reference.file import read_file
from postavka.domain.reference.store import load
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.record import Record
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.log.unreadable import MARKER, UNREADABLE
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.projection.event_reader import EventReader
from postavka.kernel.projection.read_model import Unread
from postavka.kernel.projection.worker import Projection
from services.notices.channels.email.channel import EmailChannel
from services.notices.channels.email.personal import reader_key
from services.notices.channels.topic.channel import NewDistributor, TopicChannel
from services.notices.channels.topic.publisher import NoticePublisher
from services.notices.projection import Notices, is_relayed, read_news
from services.notices.settings import NoticesSettings
from tests.kernel.polling import on_topic, until
from tests.services.notices.conftest import NORTH, URAL, Log, Outbox, opened
from tests.services.notices.stories import DIRECT, DISTRIBUTOR, THROUGH, approved, confirmed, rejected, submitted


def told(outbox: Outbox) -> list[dict[str, Any]]:
    """Bodies of the notices in the outbox, in order."""
    rows = outbox.connection.execute(
        "SELECT convert_from(state, 'UTF8') AS body FROM stored_events ORDER BY notification_id"
    )
    return [json.loads(row["body"]) for row in rows]


def kinds(outbox: Outbox) -> list[str]:
    return [each["kind"] for each in told(outbox)]


def written(outbox: Outbox) -> list[tuple[str, str, str]]:
    """To whom, what kind, in which state."""
    return sorted((row["recipient"] or "", row["kind"], row["status"]) for row in outbox.rows())


def test_it_is_a_projection(notices: Notices):
    checked: Projection = notices
    assert checked.name == "notices"


def test_an_approval_through_a_distributor_is_told_to_both(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    notices.project([log.event(request, event) for event in THROUGH])
    assert written(outbox) == [
        ("orders@dist-north.example", "permission", "due"),
        ("vetrova@lukomor.example", "permission", "due"),
    ]
    assert kinds(outbox) == ["permission", "document"]
    first = told(outbox)[0]
    assert first["distributor_id"] == NORTH
    assert first["sale"]["client"]["name"] == "АО «Завод точных весов»"
    assert first["title"].startswith("Ждём вашего ответа")


def test_letters_give_way_while_news_are_written(notices: Notices, log: Log, monkeypatch: pytest.MonkeyPatch):
    deliver, seen = TopicChannel.deliver, []

    def seen_at_work(self: TopicChannel, *arguments: Any) -> int:
        seen.append(notices.busy)
        return deliver(self, *arguments)

    monkeypatch.setattr(TopicChannel, "deliver", seen_at_work)
    request = uuid4()
    notices.project([log.event(request, event) for event in THROUGH])
    assert seen == [True]
    assert not notices.busy
    with pytest.raises(AttributeError):
        notices.project([None])  # type: ignore[list-item]
    assert not notices.busy, "nor after a failure"


def test_a_direct_sale_is_told_to_the_partner_alone(notices: Notices, outbox: Outbox, log: Log):
    notices.project([log.event(uuid4(), event) for event in [*DIRECT]])
    request = uuid4()
    notices.project([log.event(request, event) for event in DIRECT])
    assert written(outbox) == [("vetrova@lukomor.example", "permission", "due")]
    assert told(outbox) == []


def test_the_same_in_one_batch_or_one_by_one_and_after_a_restart(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    records = [log.event(request, event) for event in (*THROUGH, confirmed())]
    for record in records:
        notices.project([record])
        notices = opened(outbox)  # the process died behind its commit
    assert kinds(outbox) == ["permission", "document", "confirmed"]
    assert len(outbox.rows()) == 3


def test_what_was_read_is_not_told_again(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    records = [log.event(request, event) for event in THROUGH]
    notices.project(records)
    assert notices.project(records) == 0
    assert opened(outbox).project(records) == 0
    late = [record._replace(offset=record.offset + 100) for record in records]
    assert notices.project(late) == 0, "late duplicates of a replaced relay, by their position"
    assert len(outbox.rows()) == 2


def test_killed_before_the_commit_nothing_is_written_and_all_is_told_later(
    notices: Notices, outbox: Outbox, log: Log, monkeypatch: pytest.MonkeyPatch
):
    request = uuid4()
    records = [log.event(request, event) for event in THROUGH]

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(EmailChannel, "deliver", die)
        with pytest.raises(Killed):
            notices.project(records)
    assert (outbox.rows(), told(outbox)) == ([], [])
    again = opened(outbox)
    again.project(records)
    assert (len(outbox.rows()), kinds(outbox)) == (2, ["permission", "document"])


def test_marks_put_back_tell_nothing_twice(notices: Notices, outbox: Outbox, log: Log):
    """PostgreSQL restored with marks of before: causes name the news."""
    request = uuid4()
    records = [log.event(request, event) for event in (*THROUGH, confirmed())]
    notices.project(records)
    before = (len(outbox.rows()), kinds(outbox))
    outbox.connection.execute("UPDATE notification_tracking SET notification_id = -1, position = 0; TRUNCATE stories")
    opened(outbox).project(records)
    assert (len(outbox.rows()), kinds(outbox)) == before


def test_a_receipt_names_the_record_that_it_answers(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    answer = log.answer(request, "c-1")
    notices.project([log.event(request, event) for event in THROUGH])
    notices.project([answer, log.event(request, confirmed(), input=answer.coordinates)])
    receipt = told(outbox)[-1]["receipt"]
    assert (receipt["record"], receipt["confirmation_id"]) == (answer.coordinates, "c-1")


def test_an_answer_that_was_held_gets_two_receipts_for_the_same_record(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    answer = log.answer(request, "c-1")
    held = ConfirmationHeld(distributor_id=NORTH, confirmation_id="c-1", accepted=True)
    notices.project([answer, log.event(request, held, input=answer.coordinates)])
    notices.project([log.event(request, event) for event in (*THROUGH, confirmed())])
    receipts = [each for each in told(outbox) if each["receipt"]]
    assert [each["kind"] for each in receipts] == ["held", "confirmed"]
    assert {each["receipt"]["record"] for each in receipts} == {answer.coordinates}


def test_the_same_answer_again_is_a_duplicate_of_the_first(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    first, second, other = log.answer(request, "c-1"), log.answer(request, "c-1"), log.answer(request, "c-2")
    notices.project([first, second])
    notices.project([other])
    (notice,) = told(outbox)
    assert notice["kind"] == "duplicate"
    assert (notice["receipt"]["record"], notice["receipt"]["duplicate_of"]) == (second.coordinates, first.coordinates)
    assert notices.project([second]) == 0


@pytest.mark.parametrize("key", [b"not-the-request", None])
def test_a_record_that_billing_cannot_take_is_no_first_answer(
    notices: Notices, outbox: Outbox, log: Log, key: bytes | None
):
    request = uuid4()
    wrong, right = log.answer(request, "c-1", key=key), log.answer(request, "c-1")
    notices.project([wrong, right])
    assert told(outbox) == []


def test_a_record_that_could_not_be_read_is_answered_to_its_sender(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    broken = log.answer(request, "c-1", value=b"{}")
    theirs = log.answer(request, "c-1", URAL, value=b"{}")
    notices.project([log.dead_letter(broken), log.dead_letter(theirs, "wrong-key", "the key must be the request id")])
    north, ural = told(outbox)
    assert (north["kind"], north["distributor_id"], ural["distributor_id"]) == ("unreadable", NORTH, URAL)
    assert north["receipt"]["record"] == broken.coordinates
    assert north["reason"] == {
        "code": "bad-body",
        "message": f"Запись {broken.coordinates} не принята: accepted: Field required",
        "field": None,
    }
    assert outbox.rows() == [], "nobody is written to about it"


def test_dead_letters_of_others_are_nobodys_news(notices: Notices, outbox: Outbox, log: Log):
    foreign = log.answer(uuid4(), "c-1")._replace(topic="commands.requests")
    notices.project([log.dead_letter(foreign)])
    assert told(outbox) == []


def test_another_distributor_is_told_nothing_of_the_request(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    reason = Reason(code="other-distributor", message="В заявке указан другой дистрибьютор.")
    refused = ConfirmationRefused(distributor_id=URAL, confirmation_id="u-1", reason=reason)
    notices.project([log.event(request, event) for event in (*THROUGH, refused)])
    ural = next(each for each in told(outbox) if each["distributor_id"] == URAL)
    assert (ural["sale"], ural["permission_number"]) == (None, None)
    email = next(row for row in outbox.rows() if row["party_id"] == URAL)
    assert email["recipient"] == "postavki@dist-ural.example"
    for secret in ("Завод", "7707083893", "Лукоморье", "482-019"):
        assert secret not in json.dumps(ural, ensure_ascii=False) + email["text"] + email["html"]


def test_refusals_of_one_kind_are_one_letter(notices: Notices, outbox: Outbox, log: Log):
    """A client that sends wrong answers in a loop floods its topic, not a mailbox."""
    request = uuid4()
    reason = Reason(code="already-answered", message="Вы уже ответили на эту заявку.")
    many = [
        ConfirmationRefused(distributor_id=NORTH, confirmation_id=f"c-{number}", reason=reason) for number in range(20)
    ]
    notices.project([log.event(request, event) for event in many])
    assert len(told(outbox)) == 20
    assert [row["kind"] for row in outbox.rows()] == ["refused"]


def test_without_an_address_it_is_said_and_not_forgotten(notices: Notices, outbox: Outbox, log: Log):
    nobody = rejected().model_copy(update={"partner_id": "unknown"})
    notices.project(
        [
            log.event(uuid4(), submitted(partner_id="unknown", contact_id=None)),
        ]
    )
    request = uuid4()
    notices.project([log.event(request, event) for event in (submitted(partner_id="unknown", contact_id="x"), nobody)])
    assert written(outbox) == [("", "rejected", "no-address")]


def test_a_contact_without_an_address_is_stood_in_for_by_a_colleague(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    notices.project([log.event(request, event) for event in (submitted(contact_id="lukomor-3"), rejected())])
    assert written(outbox) == [("vetrova@lukomor.example", "rejected", "due")]


def test_what_a_person_has_switched_off_is_written_down_and_not_sent(notices: Notices, outbox: Outbox, log: Log):
    vetrova = reader_key(open_vault(outbox.settings), "vetrova@lukomor.example")
    outbox.connection.execute(
        "INSERT INTO preferences (recipient, kind, changed_by) VALUES (%(who)s, 'confirmed', 'x'), "
        "(%(who)s, 'permission', 'x')",
        {"who": vetrova},
    )
    request = uuid4()
    notices.project([log.event(request, event) for event in (*THROUGH, confirmed())])
    assert ("vetrova@lukomor.example", "confirmed", "off") in written(outbox)
    assert ("vetrova@lukomor.example", "permission", "due") in written(outbox), "mandatory"


def test_old_news_go_unsent(outbox: Outbox, sample: None, log: Log):
    """Somebody who reads the log from its beginning does not write to everybody once more."""
    request, yesterday = uuid4(), datetime.now(UTC) - timedelta(days=1)
    now = opened(outbox, chosen=NoticesSettings())
    now.project([log.event(request, event) for event in THROUGH])
    assert {row["status"] for row in outbox.rows()} == {"too-old"}
    assert kinds(outbox) == ["permission", "document"], "the topic has everything"
    other = uuid4()
    now.project([log.event(other, event, time=yesterday) for event in THROUGH])
    assert {row["status"] for row in outbox.rows() if row["request_id"] == other} == {"due"}


def test_a_new_distributor_makes_the_process_start_anew(outbox: Outbox, sample: None, log: Log):
    known = opened(outbox, [URAL])
    request = uuid4()
    records = [log.event(request, event) for event in THROUGH]
    with pytest.raises(NewDistributor, match="dist-north"):
        known.project(records)
    assert outbox.rows() == []
    opened(outbox).project(records)
    assert kinds(outbox) == ["permission", "document"]


def test_what_cannot_be_read_is_kept_and_stops_nothing(notices: Notices, outbox: Outbox, log: Log):
    request = uuid4()
    good = [log.event(request, event) for event in THROUGH]
    bad = log.event(request, confirmed())._replace(value=b"{")
    notices.project([*good, bad])
    (row,) = outbox.connection.execute("SELECT * FROM unread").fetchall()
    assert (row["topic"], row["type"]) == ("billing.events", "DistributorConfirmed.v1")
    assert len(outbox.rows()) == 2


def test_markers_are_nobodys_unread_records_and_an_unreadable_answer_is_told_to_its_sender() -> None:
    marker = Record("request.events", 0, 0, 0, None, None, ((MARKER, b"1"),))
    of_outsider = Record(confirmations_of(NORTH), 0, 0, 0, None, b"", ((UNREADABLE, b"not UTF-8"),))
    place = (("dlq_topic", of_outsider.topic.encode()), ("dlq_partition", b"0"), ("dlq_offset", b"0"))
    email = of_outsider._replace(topic="dead-letters", headers=(*of_outsider.headers, *place))
    kept: list[Unread] = []
    reader = EventReader({}, is_relayed)
    read = list(read_news(reader, [marker, of_outsider, email], kept.append))
    assert ([record for record, *_ in read], kept) == ([email], [])
    assert set(reader.checkpoints) == {"request.events/0", f"{of_outsider.topic}/0", "dead-letters/0"}


# To the topics


@pytest.fixture
def pair(outbox: Outbox) -> Iterator[tuple[str, str]]:
    """Two distributors of this test's own, with topics."""
    ids = f"d{uuid4().hex[:10]}", f"d{uuid4().hex[:10]}"
    file = read_file(SAMPLE)
    rows = tuple(file.distributors[0].model_copy(update={"id": each}) for each in ids)
    load(outbox.settings.database_url.get_secret_value(), file.model_copy(update={"distributors": rows}), "test")  # type: ignore[union-attr]
    names = [name for each in ids for name in (confirmations_of(each), notices_of(each))]
    ensure_topics(outbox.settings, names)
    outbox.connection.execute("UPDATE relay SET position = 0, offsets = '{}'")
    yield ids
    load(outbox.settings.database_url.get_secret_value(), file, "test")  # type: ignore[union-attr]
    admin = AdminClient(for_librdkafka(outbox.settings))  # held: a client that is collected never keeps its promises
    for future in admin.delete_topics(names).values():
        future.exception(60)


def through(distributor: str) -> list[Message]:
    its = DISTRIBUTOR.model_copy(update={"id": distributor})
    return [submitted(distributor_id=distributor), approved(its), *THROUGH[2:]]


def publish(outbox: Outbox, ids: Sequence[str], position: int) -> None:
    """A publisher's life until it has published up to there."""
    publisher = NoticePublisher(outbox.settings, ids)
    publisher.relay.start()
    until(lambda: publisher.relay.position >= position, "it is published")
    publisher.relay.stop()
    publisher.relay.join(20)


def test_each_distributor_gets_its_own_once(outbox: Outbox, pair: tuple[str, str], log: Log):
    north, ural = pair
    notices, request = opened(outbox, pair), uuid4()
    notices.project([log.event(request, event) for event in through(north)])
    notices.project([log.answer(request, "u-1", ural), log.answer(request, "u-1", ural)])
    publish(outbox, pair, 3)
    publish(outbox, pair, 3)
    to_north, to_ural = on_topic(outbox.settings, notices_of(north)), on_topic(outbox.settings, notices_of(ural))
    assert [json.loads(each.value or b"")["kind"] for each in to_north] == ["permission", "document"]
    assert [json.loads(each.value or b"")["kind"] for each in to_ural] == ["duplicate"]
    assert {each.key for each in (*to_north, *to_ural)} == {str(request).encode()}
    envelope = Envelope.read(to_north[0].headers)
    assert (envelope.source, envelope.type, envelope.position) == ("/postavka/notices", "Notice.v1", 1)
    assert envelope.causation == f"/postavka/shipping#{request}/2"


def test_a_store_that_was_put_back_goes_on_where_the_topics_are(outbox: Outbox, pair: tuple[str, str], log: Log):
    north, _ = pair
    notices, request = opened(outbox, pair), uuid4()
    confirmation = confirmed().model_copy(update={"distributor_id": north})
    records = [log.event(request, event) for event in (*through(north), confirmation)]
    notices.project(records)
    publish(outbox, pair, 3)
    first = on_topic(outbox.settings, notices_of(north))
    assert len(first) == 3
    outbox.connection.execute(
        "SET session_replication_role = replica; DELETE FROM stored_events WHERE notification_id > 1; "
        "DELETE FROM claims; "
        "UPDATE head SET position = 1; UPDATE relay SET position = 1, offsets = '{}'; TRUNCATE stories, mail; "
        "UPDATE notification_tracking SET notification_id = -1, position = 0; SET session_replication_role = origin"
    )
    restored = outbox.connection.execute("SELECT causation, state FROM stored_events").fetchall()
    assert len(restored) == 1
    outbox.connection.execute(
        "INSERT INTO claims SELECT 'notice', %s, originator_id FROM stored_events", (claim_of_row(outbox),)
    )
    again = opened(outbox, pair)
    NoticePublisher(outbox.settings, pair)
    assert kinds(outbox) == ["permission", "document", "confirmed"], "brought back"
    again.project(records)
    other = uuid4()
    again.project([log.event(other, event) for event in through(north)])
    publish(outbox, pair, 5)
    now = on_topic(outbox.settings, notices_of(north))
    assert [each.value for each in now if each.key == str(request).encode()] == [each.value for each in first]
    assert len([each for each in now if each.key == str(other).encode()]) == 2


def claim_of_row(outbox: Outbox) -> str:
    """What the one event left in the store had claimed."""
    row = outbox.connection.execute("SELECT causation, state FROM stored_events").fetchone()
    assert row is not None
    body = json.loads(bytes(row["state"]))
    return hashlib.sha256(f"{row['causation']}|{body['kind']}|{body['distributor_id']}".encode()).hexdigest()
