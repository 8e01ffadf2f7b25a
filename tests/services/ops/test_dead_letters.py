"""Dead letters put right by hand: what changes, what is refused, and the event that an auditor sees."""

from __future__ import annotations

import ast
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from events.ops import DeadLetterDiscarded, DeadLetterRetried
from events.registry import decode
from postavka.kernel.log.record import Record
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.recorder import Batch, DeadLetter, EventRecorder
from services.ops import dead_letters
from services.ops.dead_letter_reasons import TITLES, UNKNOWN_CODE, diagnosis, reason_in_russian
from services.ops.store import prepare

ROOT = Path(__file__).parents[3]
CODED = {"Unacceptable": 0, "Unreadable": 0, "_refuse": 1}
"""What is called with the code of a reason, at this place among its arguments."""
HEADERS = (("ce_type", b"DistributorConfirmation.v1"), ("empty", None))


@pytest.fixture
def url(database: str) -> str:
    """A database with billing's store and that of operations."""
    migrate(database, "billing", EVENT_STORE)
    prepare(database)
    return database


def put_aside(url: str, count: int, code: str = "bad-body", subject: UUID | None = None) -> None:
    """`count` dead letters of billing, at offsets behind those that are there."""
    datastore = SchemaDatastore(url, "billing")
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM billing.dead_letters").fetchone()
    first = row[0] if row else 0
    found = [
        DeadLetter(
            Record("bank.payments", 3, first + number, 1_773_662_400_000, b"key", b"{broken", HEADERS),
            code,
            "not JSON",
            subject,
        )
        for number in range(count)
    ]
    EventRecorder(datastore).append(Batch(dead_letters=found))
    datastore.close()


def acts(url: str) -> list[tuple[UUID, int, object]]:
    """(subject, version, event) of everything done by hand, in order of position."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT originator_id, originator_version, topic, state FROM ops.stored_events ORDER BY notification_id"
        ).fetchall()
    return [(subject, version, decode(type_name, bytes(body))) for subject, version, type_name, body in rows]


def statuses(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT status FROM billing.dead_letters ORDER BY id")]


def test_a_retry_marks_what_is_open_and_says_who_did_it_and_why(url: str) -> None:
    request = uuid4()
    put_aside(url, 2, subject=request)
    assert dead_letters.retry(url, "billing", [2], "anna", reason="the release can read it now") == 1
    assert statuses(url) == ["open", "retry"]
    ((subject, version, event),) = acts(url)
    assert (subject, version) == (request, 1)
    assert isinstance(event, DeadLetterRetried)
    assert (event.letter.number, event.letter.offset, event.retried_by) == (2, 1, "anna")


def test_all_of_one_code_are_retried_at_once_and_not_again_while_they_wait(url: str) -> None:
    put_aside(url, 1_200)
    put_aside(url, 3, code="decider-failed")
    assert dead_letters.retry(url, "billing", None, "anna", code="bad-body") == 1_200
    assert dead_letters.retry(url, "billing", None, "anna", code="bad-body") == 0
    assert len(acts(url)) == 1_200
    (failed, bad) = sorted(dead_letters.groups(url), key=lambda group: group.code, reverse=True)
    assert (failed.open, failed.being_retried, bad.open, bad.being_retried) == (3, 0, 0, 1_200)


def test_letters_about_a_request_are_those_that_name_it_as_well(url: str) -> None:
    """Its stage may not have understood what a record is about, and a reader of the request's page has to see it."""
    request, other = uuid4(), uuid4()
    spelled = (str(request), str(request).upper(), request.hex)
    records = [
        *((b"key", b'{"request_id": "%s", "x' % name.encode(), HEADERS) for name in spelled),
        *((name.encode(), b"{", HEADERS) for name in spelled),
        *((b"key", None, (*HEADERS, ("ce_subject", name.encode()))) for name in spelled),
        (str(other).encode(), b'{"request_id": "%s"}' % str(other).encode(), (("ce_subject", str(other).encode()),)),
    ]
    datastore = SchemaDatastore(url, "billing")
    letters = [
        DeadLetter(Record("bank.payments", 3, number, 1_773_662_400_000, key, value, headers), "bad-body", "no", None)
        for number, (key, value, headers) in enumerate(records)
    ]
    EventRecorder(datastore).append(Batch(dead_letters=letters))
    datastore.close()
    found = dead_letters.letters(url, request_id=request)
    assert sorted(each.offset for each in found) == list(range(9))
    assert {each.about for each in found} == {frozenset({request})}
    assert [each.offset for each in dead_letters.letters(url, request_id=other)] == [9]


def test_acts_on_letters_of_one_request_have_its_next_versions(url: str) -> None:
    request = uuid4()
    put_aside(url, 3, subject=request)
    dead_letters.discard(url, "billing", [1, 2], "anna", "sent twice by the bank")
    dead_letters.discard(url, "billing", [3], "boris", "the same")
    assert [(subject, version) for subject, version, _ in acts(url)] == [(request, 1), (request, 2), (request, 3)]


def test_a_discarded_letter_keeps_its_record_and_is_settled_for_good(url: str) -> None:
    put_aside(url, 1)
    assert dead_letters.discard(url, "billing", [1], "anna", "a test of the bank") == 1
    assert dead_letters.discard(url, "billing", [1], "anna", "a test of the bank") == 0
    assert dead_letters.retry(url, "billing", [1], "anna") == 0
    kept = dead_letters.letter(url, "billing", 1)
    assert (kept.status, kept.value, kept.headers) == ("discarded", b"{broken", HEADERS)
    ((_, _, event),) = acts(url)
    assert isinstance(event, DeadLetterDiscarded)
    assert event.reason == "a test of the bank"


def test_without_a_written_reason_nothing_is_discarded(url: str) -> None:
    put_aside(url, 1)
    with pytest.raises(ValueError, match="reason"):
        dead_letters.discard(url, "billing", [1], "anna", "")
    assert statuses(url) == ["open"]


def test_a_stage_that_does_not_exist_is_named(url: str) -> None:
    with pytest.raises(dead_letters.NoSuchDeadLetter, match="no stage 'pg_catalog'"):
        dead_letters.retry(url, "pg_catalog", None, "anna")


def test_every_refusal_of_a_decider_is_explained_or_says_that_it_is_a_rule() -> None:
    assert diagnosis("bad-body") != diagnosis("gate-shut") == UNKNOWN_CODE


def test_what_would_happen_is_said_by_reason_and_nothing_changes(url: str) -> None:
    put_aside(url, 30)
    put_aside(url, 2, code="decider-failed")
    assert dead_letters.foresee(url, "billing", None).by_code == {"bad-body": 30, "decider-failed": 2}
    assert dead_letters.foresee(url, "billing", None, "bad-body").letters == 30
    assert dead_letters.foresee(url, "billing", [1, 99]).letters == 1
    assert (statuses(url), acts(url)) == (["open"] * 32, [])
    with pytest.raises(dead_letters.NoSuchDeadLetter, match="there is no stage"):
        dead_letters.foresee(url, "nowhere", None)


def test_all_of_one_code_are_given_up_at_once(url: str) -> None:
    put_aside(url, 30)
    put_aside(url, 2, code="decider-failed")
    assert dead_letters.discard(url, "billing", None, "anna", "a flood of the bank's test", code="bad-body") == 30
    assert dead_letters.tally(url, "billing") == dead_letters.Tally(open=2, waiting=0, taken=0)
    assert {event.reason for _, _, event in acts(url)} == {"a flood of the bank's test"}


def test_every_reason_has_its_words_on_pages():
    found = set()
    for path in (*ROOT.glob("services/*/**/*.py"), *ROOT.glob("postavka/kernel/**/*.py")):
        for call in (each for each in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(each, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            code = call.args[CODED[name]] if name in CODED and len(call.args) > CODED[name] else None
            if isinstance(code, ast.Constant):
                found.add(code.value)
    assert len(found) > 30
    assert found <= set(TITLES)


@pytest.mark.parametrize(
    ("code", "reason", "russian"),
    [
        ("unknown-type", "a record without ce_type is not taken here", "в записи нет типа (заголовка ce_type)"),
        ("unknown-type", "Cheer.v1 is not taken here", "стадия не принимает Cheer.v1"),
        (
            "bad-body",
            "accepted: Field required; more: Extra inputs are not permitted",
            "accepted: обязательного поля нет; more: лишнее поле",
        ),
        ("bad-body", "accepted: Input should be a valid boolean", "accepted: значение не того вида"),
        ("bad-body", "accepted: Field required; x: Something new", ""),
        ("bad-body", "not JSON: unexpected end of data: line 1", "тело — не JSON"),
        ("gate-shut", "confirmation does not fit the request", ""),
    ],
)
def test_a_reason_is_told_in_russian_where_there_are_words_for_it(code: str, reason: str, russian: str):
    assert reason_in_russian(code, reason) == russian
