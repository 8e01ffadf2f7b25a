"""Exchange operators: one contract for the local one and for the client of a real one; then what only each of them has.

The real one is a stub of Diadoc's shape behind real HTTP: what is outside is all that is not real here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.documents.operator import (
    Declined,
    ExchangeOperator,
    OperatorAway,
    OperatorRefuses,
    OutgoingDocument,
    SignedBack,
    TakenByOperator,
)
from services.documents.operator.diadoc import Diadoc
from services.documents.operator.interface import INVOICE, TRANSFER
from services.documents.operator.local import LocalOperator
from tests.services.documents.operator.diadoc_stub import OUR_BOX, Stub, diadoc_stub

LETTER = OutgoingDocument(
    key="0190f3a0-0000-7000-8000-000000000001/act-482",
    to_inn="7736050003",
    to_kpp="773601001",
    to_participant=None,
    kind=TRANSFER,
    file_name="ON_NSCHFDOPPR_a_b.xml",
    content="<Файл/>".encode("cp1251"),
    signature=b"our signature",
    number="482",
    issued_on=date(2026, 3, 1),
    total=Decimal("1000.00"),
    vat=Decimal("166.67"),
    wants_signature=True,
)


@dataclass(frozen=True)
class Exchange:
    """Our operator, and the other side's hands."""

    operator: ExchangeOperator
    other_side: Any
    """`sign(message, signature, title)` and `decline(message, reason)`"""
    count: Any
    """How many letters the other side has got."""


@pytest.fixture
def stub() -> Iterator[tuple[Stub, Diadoc]]:
    with diadoc_stub() as (stub, url):
        client = Diadoc(url, "client", "token", OUR_BOX)
        yield stub, client
        client.close()


@pytest.fixture(params=["local", "diadoc"])
def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Exchange:
    if request.param == "local":
        local = LocalOperator(tmp_path)
        return Exchange(local, local, lambda: len(local.mailbox()))
    stub, client = request.getfixturevalue("stub")
    return Exchange(client, stub, lambda: len(stub.messages))


def heard(operator: ExchangeOperator, after: str | None = None) -> tuple[list[SignedBack | Declined], str | None]:
    """All that has come since, and the cursor."""
    found = []
    while answers := operator.answers(after):
        found += [each.what for each in answers if each.what is not None]
        after = answers[-1].cursor
    return found, after


def test_a_letter_sent_again_has_no_second_effect(exchange: Exchange):
    first = exchange.operator.send(LETTER)
    assert exchange.operator.send(replace(LETTER, signature=b"signed anew")) == first
    assert exchange.count() == 1
    assert exchange.operator.send(replace(LETTER, key="another")) != first
    assert exchange.count() == 2


def test_many_at_once_with_one_key_are_one_letter(exchange: Exchange):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(exchange.operator.send, [LETTER] * 24))) == 1
    assert exchange.count() == 1


def test_nothing_has_come_yet(exchange: Exchange):
    exchange.operator.send(LETTER)
    assert heard(exchange.operator)[0] == []


def test_a_title_in_answer_comes_back_with_its_signature(exchange: Exchange):
    sent = exchange.operator.send(LETTER)
    exchange.other_side.sign(sent.message_id, b"their signature", b"<title/>")
    (answer,), cursor = heard(exchange.operator)
    assert isinstance(answer, SignedBack)
    assert (answer.sent, answer.signature, answer.title) == (sent, b"their signature", b"<title/>")
    assert answer.signed_by
    assert heard(exchange.operator, cursor)[0] == []


def test_a_signature_under_the_document_itself(exchange: Exchange):
    sent = exchange.operator.send(replace(LETTER, kind=INVOICE, file_name="Счет.pdf"))
    exchange.other_side.sign(sent.message_id, b"their signature")
    (answer,), _ = heard(exchange.operator)
    assert isinstance(answer, SignedBack)
    assert (answer.sent, answer.signature, answer.title) == (sent, b"their signature", None)


def test_a_refusal_to_sign_says_why(exchange: Exchange):
    sent = exchange.operator.send(LETTER)
    exchange.other_side.decline(sent.message_id, "Неверно указан КПП")
    (answer,), _ = heard(exchange.operator)
    assert isinstance(answer, Declined)
    assert (answer.sent, answer.reason) == (sent, "Неверно указан КПП")


def test_the_feed_is_read_in_order_and_goes_on_where_it_was_left(exchange: Exchange):
    sent = exchange.operator.send(LETTER)
    said: list[str] = []

    def decline(times: int) -> list[str]:
        reasons = [f"Причина {len(said) + number}" for number in range(times)]
        for reason in reasons:
            exchange.other_side.decline(sent.message_id, reason)
        said.extend(reasons)
        return reasons

    def reasons(answers: list[SignedBack | Declined]) -> list[str]:
        return [answer.reason for answer in answers if isinstance(answer, Declined)]

    first = decline(103)  # more than an operator tells at once
    answers, cursor = heard(exchange.operator)
    assert reasons(answers) == first
    second = decline(3)
    assert reasons(heard(exchange.operator, cursor)[0]) == second


# Only the local one


def test_the_local_operator_keeps_mailboxes_on_the_disk(tmp_path: Path):
    sent = LocalOperator(tmp_path).send(LETTER)
    other = LocalOperator(tmp_path)
    (received,) = other.mailbox("7736050003")
    assert (received.message_id, received.content, received.signature) == (
        sent.message_id,
        LETTER.content,
        LETTER.signature,
    )
    assert other.mailbox("7707083893") == []
    with pytest.raises(LookupError, match="no message"):
        other.find("../../etc")


def test_answers_of_many_at_once_are_all_heard(tmp_path: Path):
    operator = LocalOperator(tmp_path)
    sent = operator.send(LETTER)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: operator.decline(sent.message_id, str(n)), range(40)))
    answers, _ = heard(operator)
    assert sorted(int(each.reason) for each in answers if isinstance(each, Declined)) == list(range(40))


# Only the client of a real one


def test_what_the_operator_is_told(stub: tuple[Stub, Diadoc]):
    told, client = stub
    client.send(LETTER)
    client.send(
        replace(LETTER, key="invoice", kind=INVOICE, file_name="Счет.pdf", signature=None, wants_signature=False)
    )
    act, invoice = (each["request"]["DocumentAttachments"][0] for each in told.messages.values())
    assert (act["TypeNamedId"], act["Function"], act["NeedRecipientSignature"]) == (TRANSFER, "ДОП", True)
    assert "Metadata" not in act
    assert invoice["NeedRecipientSignature"] is False
    assert "Signature" not in invoice["SignedContent"]
    assert {each["Key"]: each["Value"] for each in invoice["Metadata"]} == {
        "FileName": "Счет.pdf",
        "DocumentNumber": "482",
        "DocumentDate": "01.03.2026",
        "TotalSum": "1000.00",
        "TotalVat": "166.67",
    }


@pytest.mark.parametrize("status", [204, 401, 402, 429, 500, 503])
def test_an_operator_that_can_t_now_is_asked_again_later(stub: tuple[Stub, Diadoc], status: int):
    told, client = stub
    told.fail = [200, status]
    with pytest.raises((OperatorAway, OperatorRefuses)):
        client.send(LETTER)  # the first answer is no organisation
    told.fail = [status]
    with pytest.raises(OperatorAway, match=str(status)):
        client.answers(None)
    assert client.send(LETTER) == client.send(LETTER)
    assert len(told.messages) == 1


def test_nobody_at_the_other_end():
    client = Diadoc("http://127.0.0.1:9", "client", "token", OUR_BOX)
    with pytest.raises(OperatorAway, match="Connect"):
        client.send(LETTER)


@pytest.mark.parametrize("inn", ["0000000000", "1111111111"])
def test_a_counterparty_that_is_not_there_is_for_a_person_to_settle(stub: tuple[Stub, Diadoc], inn: str):
    with pytest.raises(OperatorRefuses):
        stub[1].send(replace(LETTER, to_inn=inn))


TITLED = {"BoxIdGuid": "one", "Title": "Основной"}


@pytest.mark.parametrize(
    ("organization", "why"),
    [
        ({"Kpp": "780143001"}, "KPP 780143001"),  # a branch was asked for, and the head office is told, or the reverse
        ({"Inn": "7707083893"}, "has INN 7707083893"),
        ({"LiquidationDate": "01.02.2025"}, "liquidated on 01.02.2025"),
        ({"LiquidationDate": "01.02.2025", "IsActive": False, "IsRoaming": True}, "liquidated"),
        ({"IsActive": False}, "not active"),
        ({"Boxes": []}, "has no mailbox"),
        ({"Boxes": [{"BoxIdGuid": "one", "IsActive": False}]}, "has no mailbox"),
        ({"Boxes": [{"Title": "Без номера"}]}, "has no mailbox"),
        ({"Boxes": [TITLED, {"BoxIdGuid": "two"}]}, r"which one\? one \(Основной\), two \(no title\)"),
        ({"IsRoaming": True, "Boxes": [{"BoxIdGuid": "roaming"}, {"BoxIdGuid": "own"}]}, "which one"),
    ],
)
def test_a_mailbox_that_does_not_fit_is_for_a_person_to_settle(
    stub: tuple[Stub, Diadoc], organization: dict[str, Any], why: str
):
    told, client = stub
    told.organization = organization
    with pytest.raises(OperatorRefuses, match=why):
        client.send(LETTER)
    assert not told.posted


@pytest.mark.parametrize(
    ("organization", "letter"),
    [
        ({"Boxes": [{"BoxIdGuid": "shut", "IsActive": False}, {"BoxIdGuid": "their-box"}]}, LETTER),
        ({"Boxes": [{"BoxIdGuid": "far", "IsRoaming": True}, {"BoxIdGuid": "their-box"}]}, LETTER),
        ({"Boxes": [{"BoxIdGuid": "their-box"}, {"BoxIdGuid": "their-box"}]}, LETTER),
        ({"IsRoaming": True}, LETTER),
        ({"Kpp": None, "IsBranch": False}, replace(LETTER, to_kpp=None, to_inn="500100732259")),
        ({"Inn": "7736050003", "FnsParticipantId": "2BM-1"}, replace(LETTER, to_participant="2bm-1")),
    ],
    ids=["one is shut", "one is elsewhere", "twice", "all are elsewhere", "sole trader", "by participant"],
)
def test_the_one_mailbox_that_fits_is_taken(
    stub: tuple[Stub, Diadoc], organization: dict[str, Any], letter: OutgoingDocument
):
    told, client = stub
    told.organization = organization
    client.send(letter)
    assert told.posted == 1


def test_another_participant_than_was_asked_for_gets_nothing(stub: tuple[Stub, Diadoc]):
    told, client = stub
    told.organization = {"FnsParticipantId": "2BM-2"}
    with pytest.raises(OperatorRefuses, match="2BM-2, not 2BM-1"):
        client.send(replace(LETTER, to_participant="2BM-1"))
    told.organization = {"FnsParticipantId": "2BM-1", "Inn": "7707083893"}
    with pytest.raises(OperatorRefuses, match="INN 7707083893"):
        client.send(replace(LETTER, to_participant="2BM-1"))


def test_a_company_without_kpp_is_not_a_branch(stub: tuple[Stub, Diadoc]):
    told, client = stub
    told.organization = {"IsBranch": True}
    with pytest.raises(OperatorRefuses, match="name the counterparty's KPP"):
        client.send(replace(LETTER, to_kpp=None))


def test_of_several_organisations_the_one_that_fits_is_taken(stub: tuple[Stub, Diadoc]):
    told, client = stub
    letter = replace(LETTER, to_inn="0000000000")
    here = {"Inn": "0000000000", "Kpp": LETTER.to_kpp, "Boxes": [{"BoxIdGuid": "their-box"}]}
    branch = here | {"Kpp": "780143001", "Boxes": [{"BoxIdGuid": "branch-box"}]}
    roaming = here | {"IsRoaming": True, "Boxes": [{"BoxIdGuid": "roaming-box"}]}
    told.several = [branch, here, {**here, "Boxes": [{"BoxIdGuid": "another"}]}]
    with pytest.raises(OperatorRefuses, match="2 mailboxes"):
        client.send(letter)
    told.several = [roaming, branch, here]
    client.send(letter)
    assert told.posted == 1


@pytest.mark.parametrize("key", ["7736050003/773601001", "2BM-1"])
def test_a_mailbox_may_be_named_in_the_settings(key: str):
    with diadoc_stub() as (told, url):
        told.organization = {"Boxes": [{"BoxIdGuid": "one"}, {"BoxIdGuid": "their-box"}]}
        participant = key if key.startswith("2BM") else None
        client = Diadoc(url, "client", "token", OUR_BOX, named={key: "their-box"})
        client.send(replace(LETTER, to_participant=participant))
        with pytest.raises(OperatorRefuses):
            client.send(replace(LETTER, to_kpp="780143001", key="branch"))
        assert told.posted == 1
        client.close()


def test_a_wrong_token_is_our_trouble_and_not_told():
    with diadoc_stub() as (_, url):
        client = Diadoc(url, "client", "wrong-secret", OUR_BOX)
        with pytest.raises(OperatorAway, match="401") as refused:
            client.answers(None)
        assert "wrong-secret" not in str(refused.value)


def test_an_answer_whose_content_is_gone_does_not_stop_the_feed(stub: tuple[Stub, Diadoc]):
    told, client = stub
    sent = client.send(LETTER)
    told.sign(sent.message_id, b"lost")
    told.contents.popitem()
    told.decline(sent.message_id, "Не наш")
    answers, _ = heard(client)
    assert [type(each) for each in answers] == [Declined]


def test_our_own_signature_in_the_feed_is_no_answer(stub: tuple[Stub, Diadoc]):
    told, client = stub
    sent = client.send(LETTER)
    told._event(
        {
            "Patch": {
                "MessageId": sent.message_id,
                "Entities": [
                    {
                        "EntityType": "Signature",
                        "EntityId": "e",
                        "ParentEntityId": sent.entity_id,
                        "SignerBoxId": OUR_BOX,
                    }
                ],
            }
        }
    )
    assert heard(client)[0] == []


def test_what_names_a_sending_names_its_answer():
    assert str(TakenByOperator("message", "entity")) == "message/entity"
