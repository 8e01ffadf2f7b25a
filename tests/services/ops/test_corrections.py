"""Corrections of dead letters: what may be put right, what must stay, when a second person agrees, and who is named."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from events.ops import CorrectionAgreed, CorrectionProposed, DeadLetterCorrected
from postavka.kernel.log.record import Record
from postavka.kernel.log.unreadable import RAW_HEADERS
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.recorder import Batch, DeadLetter, EventRecorder
from services.audit.reading import corrections_made, corrector
from services.ops import corrections, dead_letters
from services.ops.identity import NotACorrection, check
from services.ops.store import prepare
from tests.services.ops.test_dead_letters import acts, statuses

ANSWERS = "distributors.dist-ural.confirmations"
REQUEST, OTHER = UUID("6bb3008e-0000-4000-8000-000000000001"), UUID("65c2cf42-0000-4000-8000-000000000002")
KEY = str(REQUEST).encode()


def answer(request: object = REQUEST, **changes: Any) -> bytes:
    return json.dumps({"request_id": str(request), "confirmation_id": "u-1", "accepted": True, **changes}).encode()


BROKEN = answer(accepted="yes").replace(b"}", b"")


@pytest.fixture
def url(database: str) -> str:
    """A database with billing's store and that of operations."""
    migrate(database, "billing", EVENT_STORE)
    prepare(database)
    return database


def put_aside(
    url: str, topic: str = ANSWERS, key: bytes | None = KEY, value: bytes = BROKEN, headers: Any = ()
) -> None:
    datastore = SchemaDatastore(url, "billing")
    record = Record(topic, 3, uuid4().int % 10**9, 1_773_662_400_000, key, value, tuple(headers))
    EventRecorder(datastore).append(Batch(dead_letters=[DeadLetter(record, "bad-body", "not JSON", None)]))
    datastore.close()


# What may be put right: pure

PAYMENT = {"payment_id": "p-1", "amount": "10.00", "purpose": "счёт 1"}


@pytest.mark.parametrize(
    ("value", "new_key", "new"),
    [
        (BROKEN, str(OTHER).encode(), answer(OTHER)),
        (BROKEN, KEY, answer(OTHER)),
        (BROKEN, str(OTHER).encode(), answer(REQUEST)),
        (answer(), KEY, answer(confirmation_id="ops-forged")),
        (answer(partner_id="lukomor"), KEY, answer(partner_id="romashka-it")),
        (answer(sent_by="anna"), KEY, answer()),
        (BROKEN, KEY, b"[]"),
        (BROKEN, KEY, b"{"),
        (BROKEN, b"", answer("")),
    ],
    ids=[
        "another request", "another in the body", "another in the key", "another answer", "another partner",
        "sender left out", "no object", "no JSON", "no request",
    ],
)  # fmt: skip
def test_request_and_sender_stay(value: bytes, new_key: bytes, new: bytes):
    with pytest.raises(NotACorrection):
        check(ANSWERS, KEY, value, (), new_key, new)


def test_a_request_in_a_header_counts_as_well():
    with pytest.raises(NotACorrection, match=str(REQUEST)):
        check("manufacturing.kits", None, b"{", [("ce_subject", KEY)], str(OTHER).encode(), answer(OTHER))


@pytest.mark.parametrize("broken", [False, True], ids=["JSON", "no JSON"])
@pytest.mark.parametrize(
    ("topic", "said", "now"),
    [
        ("manufacturing.kits", {"kit": {"number": "K-1", "code": "A"}}, {"kit": {"number": "K-1", "code": "B"}}),
        ("manufacturing.kits", {"kit": {"number": "K-1", "code": "A"}}, {"kit": {"number": "K-2", "code": "A"}}),
        ("commands.activations", {"code": "A"}, {"code": "B"}),
    ],
    ids=["another code", "another number", "another activation"],
)
def test_a_kit_stays_the_kit_that_it_is(topic: str, said: dict[str, Any], now: dict[str, Any], broken: bool):
    value = answer(**said)[: -1 if broken else None]
    with pytest.raises(NotACorrection, match=r"code|number"):
        check(topic, KEY, value, (), KEY, answer(**now))
    assert check(topic, KEY, value, (), KEY, answer(**said)).needs_agreement


def test_a_record_without_a_type_may_be_given_one_and_no_other():
    said = ("DistributorConfirmation.v1", answer(accepted=False))
    checked = check("commands.requests", KEY, b"{", (("ce_type", b""),), KEY, said[1], "SubmitRequest.v1")
    assert checked.needs_agreement, "the type says what the record means"
    with pytest.raises(NotACorrection, match="has a type"):
        check(ANSWERS, KEY, BROKEN, (("ce_type", b"SignDocument.v1"),), KEY, said[1], said[0])
    with pytest.raises(NotACorrection, match="no type"):
        check(ANSWERS, KEY, BROKEN, (), KEY, said[1], "Nonsense.v1")


def test_the_type_that_was_agreed_to_goes_out_with_the_record(url: str):
    put_aside(url)
    named = "DistributorConfirmation.v1"
    assert not corrections.correct(url, "billing", 1, "anna", "тип забыли", None, answer(), type_name=named)
    waiting = corrections.proposal_of(url, "billing", 1)
    assert waiting is not None
    assert waiting.type == named
    corrections.agree(url, "billing", 1, "boris", waiting.id)
    with psycopg.connect(url, options="-c search_path=ops,public") as connection:
        (sent,) = corrections.unsent_corrections(connection)
    assert dict(dead_letters.headers_of(sent["headers"]))["ce_type"] == named.encode()


def test_what_a_stage_has_decided_is_not_corrected():
    with pytest.raises(NotACorrection, match="has what a stage has decided"):
        check("approval.events", KEY, b"{", (), KEY, answer())


@pytest.mark.parametrize(("name", "other"), [("payment_id", "p-2"), ("key", "")])
def test_a_payment_stays_the_payment_that_it_is(name: str, other: str):
    new = {**PAYMENT, **({name: other} if name in PAYMENT else {})}
    key = b"p-1" if name in PAYMENT else b"p-2"
    with pytest.raises(NotACorrection, match=name):
        check("bank.payments", b"p-1", json.dumps(PAYMENT).encode(), (), key, json.dumps(new).encode())


@pytest.mark.parametrize(
    ("topic", "key", "value", "agreement"),
    [
        ("commands.requests", KEY, b"{", False),
        ("commands.requests", str(REQUEST).upper().encode(), answer(str(REQUEST).upper()), False),
        ("commands.requests", None, answer(), False),
        ("commands.activations", None, answer(), True),
        ("manufacturing.kits", KEY, b"{", True),
        ("manufacturing.kits", KEY, answer(OTHER), True),
        ("commands.requests", None, b"{", True),
        (ANSWERS, KEY, BROKEN, True),
        ("commands.payments", None, b"{", True),
    ],
    ids=[
        "named by its key", "capitals", "named by its body", "activates", "names a kit", "names two", "names none",
        "opens the gate", "money",
    ],
)  # fmt: skip
def test_who_has_to_agree(topic: str, key: bytes | None, value: bytes, agreement: bool):
    new = answer(sent_by="anna") if "payments" not in topic else b'{"order_id": "o-1"}'
    assert check(topic, key, value, (), KEY, new).needs_agreement is agreement


# The act


def test_an_answer_is_corrected_by_two_people_and_its_history_names_both(url: str):
    put_aside(url)
    assert corrections.correct(url, "billing", 1, "anna", "accepted in quotes", None, answer()) is False
    assert statuses(url) == ["open"]
    waiting = corrections.proposal_of(url, "billing", 1)
    assert waiting is not None
    with pytest.raises(corrections.NotAgreed, match="a second person"):
        corrections.agree(url, "billing", 1, "anna", waiting.id)
    with pytest.raises(corrections.NotAgreed, match="look at it again"):
        corrections.agree(url, "billing", 1, "boris", waiting.id + 1)
    corrections.agree(url, "billing", 1, "boris", waiting.id)
    assert statuses(url) == ["corrected"]
    assert corrections.proposal_of(url, "billing", 1) is None

    found = acts(url)
    assert [subject for subject, _, _ in found] == [REQUEST] * 3, "under the request that they are about"
    kinds = [type(event) for _, _, event in found]
    assert kinds == [CorrectionProposed, CorrectionAgreed, DeadLetterCorrected]
    with psycopg.connect(url) as connection:
        (row,) = corrections.unsent_corrections(connection)
        headers = dict(dead_letters.headers_of(row["headers"]))
        made = corrections_made(connection, ["billing/1"])
    assert headers["dlq_corrected_by"] == b"anna, agreed: boris"
    who = "anna (corrects billing/1, in place of dist-ural, agreed: boris)"
    known = {name: value or b"" for name, value in headers.items()}
    assert corrector(made, ANSWERS, known, answer()) == who
    assert corrector(made, ANSWERS, known, answer(note="another body")) is None, "a header alone says nothing"


def test_where_there_is_one_operator_it_is_said_so(url: str):
    put_aside(url)
    assert corrections.correct(url, "billing", 1, "anna", "in quotes", None, answer(), by_one=True) is True
    agreed = acts(url)[0][2]
    assert isinstance(agreed, CorrectionAgreed)
    assert (agreed.proposed_by, agreed.agreed_by, agreed.by_one) == ("anna", "anna", True)
    with psycopg.connect(url) as connection:
        (shown,) = corrections_made(connection, ["billing/1"]).values()
    assert shown == "anna (corrects billing/1, in place of dist-ural, the only operator)", "in its history"


def test_a_later_proposal_takes_the_place_of_an_earlier_one(url: str):
    put_aside(url)
    corrections.correct(url, "billing", 1, "anna", "in quotes", None, answer())
    first = corrections.proposal_of(url, "billing", 1)
    corrections.correct(url, "billing", 1, "boris", "not accepted", None, answer(accepted=False))
    assert first is not None
    with pytest.raises(corrections.NotAgreed):
        corrections.agree(url, "billing", 1, "boris", first.id)


def test_a_correction_waits_to_be_sent_with_the_headers_of_the_old_record(url: str):
    own = (("ce_type", b"SubmitRequest.v1"), ("empty", None), ("dlq_corrected_by", b"somebody else"))
    put_aside(url, "commands.requests", KEY, b"{", own)
    assert corrections.correct(url, "billing", 1, "anna", "a bracket was missing", None, answer()) is True
    with psycopg.connect(url) as connection:
        (row,) = corrections.unsent_corrections(connection)
        assert (row["topic"], row["key"], row["value"]) == ("commands.requests", KEY, answer())
        added = (("dlq_corrects", b"billing/1"), ("dlq_corrected_by", b"anna"))
        assert dead_letters.headers_of(row["headers"]) == (*own[:2], *added)
        corrections.corrections_sent(connection, [row["id"]])
        assert corrections.unsent_corrections(connection) == []
    ((_, _, event),) = acts(url)
    assert isinstance(event, DeadLetterCorrected)
    assert statuses(url) == ["corrected"]


def test_a_correction_of_an_unreadable_record_has_its_headers_with_names_that_are_text(url: str):
    raw = b"\x04" + b"\x08na\xffm\x02x" + b"\x02b\x01"  # two headers, each part after its length
    put_aside(url, "commands.requests", KEY, b"{}", (("postavka-unreadable", b"why"), (RAW_HEADERS, raw)))
    corrections.correct(url, "billing", 1, "anna", "the name", None, answer())
    with psycopg.connect(url) as connection:
        (row,) = corrections.unsent_corrections(connection)
    assert dead_letters.headers_of(row["headers"])[:-2] == (("na\\xffm", b"x"), ("b", None))


def test_what_is_settled_cannot_be_corrected(url: str):
    put_aside(url, "commands.requests")
    corrections.correct(url, "billing", 1, "anna", "a bracket was missing", None, answer())
    with pytest.raises(dead_letters.NoSuchDeadLetter):
        corrections.correct(url, "billing", 1, "anna", "once more", None, answer())
    assert len(acts(url)) == 1
