"""Letters as they go out, read back by the standard library."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notices.letter import Letter, Outgoing, to_outgoing, write_letters
from services.notices.recipients import Recipient
from services.notices.settings import NoticesSettings
from tests.notices.stories import CONTACT, THROUGH, told

CONFIG = NoticesSettings(mail_from="ООО «Поставка» <orders@postavka.test>", url="https://postavka.test")
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)


def letter() -> Letter:
    """The first letter of a sale: its request was approved."""
    news = next(each for each in told(*THROUGH) if each.mail is not None)
    assert CONTACT.email is not None
    return write_letters(news, [Recipient(CONTACT.email, CONTACT.name)], CONFIG, b"secret")[0]


def read(outgoing: Outgoing) -> EmailMessage:
    """As a mail program reads it; nothing about it is odd."""
    assert all(len(line) <= 998 for line in outgoing.content.split(b"\r\n"))
    assert b"\n" not in outgoing.content.replace(b"\r\n", b"")
    message = cast(EmailMessage, message_from_bytes(outgoing.content, policy=policy.default))  # type: ignore[arg-type]
    for part in message.walk():
        assert part.defects == []
    return message


def contents(message: EmailMessage) -> list[tuple[str, str]]:
    """Its two forms."""
    return [(part.get_content_type(), part.get_content()) for part in message.iter_parts()]


def test_a_letter_says_who_writes_to_whom_of_what():
    sent = letter()
    outgoing = to_outgoing(sent, CONFIG)
    message = read(outgoing)
    assert (outgoing.sender, outgoing.recipient) == ("orders@postavka.test", CONTACT.email)
    assert message["From"].addresses[0].display_name == "ООО «Поставка»"
    assert message["To"].addresses[0].addr_spec == CONTACT.email
    assert message["Subject"] == sent.subject
    assert message["Message-ID"] == sent.message_id
    assert message["Date"].datetime == sent.happened_at.replace(microsecond=0)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    assert [kind for kind, _ in contents(message)] == ["text/plain", "text/html"]
    assert contents(message)[0][1].splitlines() == sent.text.splitlines()


def test_the_same_letter_has_the_same_bytes():
    assert to_outgoing(letter(), CONFIG) == to_outgoing(letter(), CONFIG)


@given(TEXT, TEXT, TEXT)
def test_any_texts_arrive_as_they_were(subject: str, text: str, html: str):
    sent = replace(letter(), subject=subject, text=text, html=html)
    message = read(to_outgoing(sent, CONFIG))
    for (_, arrived), given_ in zip(contents(message), (text, html), strict=True):
        assert arrived.encode().splitlines() == given_.encode().splitlines()
    assert message.get_all("Subject", []) == [" ".join("".join(c if c.isprintable() else " " for c in subject).split())]
    assert set(message.keys()) == set(read(to_outgoing(letter(), CONFIG)).keys())


@pytest.mark.parametrize(
    "name",
    [
        "Иван\r\nBcc: all@example.org",
        'a" <x@y.z>, "b',
        "\x00",
        "«»" * 200,
        "=?utf-8?q?evil=40x=2Ey=2C?= b",
        "=?utf-8?q?x=0D=0ABcc=3A_e?=",
        "a" * 70 + ' "q, evil@x.y, ',
        "John Smith; and others",
    ],
)
def test_a_name_is_a_name_and_makes_no_header(name: str):
    sent = replace(letter(), recipient=Recipient("someone@example.org", name))
    outgoing = to_outgoing(sent, CONFIG)
    message = read(outgoing)
    assert "Bcc" not in message
    (address,) = message["To"].addresses
    assert (address.addr_spec, outgoing.recipient) == ("someone@example.org", "someone@example.org")
    # Between encoded words Python 3.11 reads blanks that are not there.
    assert "".join(address.display_name.split()) == "".join(each for each in name if each.isprintable() and each != " ")


@pytest.mark.parametrize(
    "address",
    [
        "кто@example.org",
        "who@пример.рф",
        "a@b>,c@d.e",
        "x@=?utf-8?q?victim.example?=",
        "=?utf-8?q?x?=@y.z",
        "a@b\r\nBcc: c@d.e",
        "",
    ],
)
def test_an_address_that_no_header_can_hold_is_told(address: str):
    with pytest.raises(ValueError, match="letters that mail servers don't take"):
        to_outgoing(replace(letter(), recipient=Recipient(address, "Кто")), CONFIG)


@pytest.mark.parametrize(
    "changes",
    [{"url": "https://поставка.рф"}, {"mail_domain": "поставка.рф"}, {"mail_from": "Мы <a@поставка.рф>"}],
    ids=str,
)
def test_what_no_letter_could_be_written_with_is_said_at_the_start(changes: dict[str, str]):
    with pytest.raises(ValueError, match=r"POSTAVKA_(URL|MAIL_DOMAIN|MAIL_FROM)"):
        NoticesSettings(**changes)
