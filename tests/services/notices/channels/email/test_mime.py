"""Letters as they go out, read back by the standard library."""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.shipping import ShippingOpened, Vendor
from postavka.domain.email_address import BadAddress
from services.notices.channels.email.message import Email, write_emails
from services.notices.channels.email.mime import LONGEST_LINE, LONGEST_WORD, Outgoing, to_outgoing
from services.notices.channels.email.recipients import Recipient
from services.notices.settings import NoticesSettings
from tests.services.notices.stories import CONTACT, THROUGH, told

CONFIG = NoticesSettings(mail_from="ООО «Поставка» <orders@postavka.test>", url="https://postavka.test")
SELLER = Vendor(id="seller", name="АО «Продавец»", inn="7707083893", kpp="770701001")
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)


def email() -> Email:
    """The first letter of a sale: its request was approved."""
    news = next(each for each in told(*THROUGH) if each.category is not None)
    assert CONTACT.email is not None
    return write_emails(news, [Recipient(CONTACT.email, CONTACT.name)], CONFIG, b"secret")[0]


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
    sent = email()
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


def test_a_letter_calls_its_request_by_its_number_beside_the_id() -> None:
    sent = email()
    called = f"заявка №\u00a02026-000255 ({sent.request_id})"
    assert called in sent.text
    assert called in sent.html


def test_a_letter_names_the_vendor_of_its_sale_else_the_one_that_is_set():
    by_event = told(*THROUGH[:2], ShippingOpened.model_construct(vendor=SELLER), *THROUGH[2:])
    assert by_event
    for news, name in ((by_event[0], SELLER.name), (told(*THROUGH)[0], "АО «Иной»")):
        chosen = CONFIG.model_copy(update={"mail_vendor": "АО «Иной»"})
        (written,) = write_emails(news, [Recipient("a@b.ru", "Анна")], chosen, b"secret")
        assert name in written.text
        assert name in written.html.replace("&#171;", "«").replace("&#187;", "»")
        assert "Софтехно" not in written.text + written.html


def test_the_same_letter_has_the_same_bytes():
    assert to_outgoing(email(), CONFIG) == to_outgoing(email(), CONFIG)


@given(TEXT, TEXT.filter(bool), TEXT.filter(bool))
def test_any_texts_arrive_as_they_were(subject: str, text: str, html: str):
    sent = replace(email(), subject=subject, text=text, html=html)
    message = read(to_outgoing(sent, CONFIG))
    for (_, arrived), given_ in zip(contents(message), (text, html), strict=True):
        assert arrived.encode().splitlines() == given_.encode().splitlines()
    assert message.get_all("Subject", []) == [" ".join("".join(c if c.isprintable() else " " for c in subject).split())]
    assert set(message.keys()) == set(read(to_outgoing(email(), CONFIG)).keys())


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
    sent = replace(email(), recipient=Recipient("someone@example.org", name))
    outgoing = to_outgoing(sent, CONFIG)
    message = read(outgoing)
    assert "Bcc" not in message
    (address,) = message["To"].addresses
    assert (address.addr_spec, outgoing.recipient) == ("someone@example.org", "someone@example.org")
    # Between encoded words Python 3.11 reads blanks that are not there.
    assert "".join(address.display_name.split()) == "".join(each for each in name if each.isprintable() and each != " ")


def test_a_domain_of_other_alphabets_travels_as_punycode():
    sent = replace(email(), recipient=Recipient("zakaz@почта.рф", "Заказы"))
    outgoing = to_outgoing(sent, a_sender("Мы <orders@поставка.рф>"))
    message = read(outgoing)
    assert outgoing.recipient == message["To"].addresses[0].addr_spec == "zakaz@xn--80a1acny.xn--p1ai"
    assert outgoing.sender == message["From"].addresses[0].addr_spec == "orders@xn--80aaf6arfpi.xn--p1ai"
    assert message["References"].endswith("@xn--80aaf6arfpi.xn--p1ai>")


def a_sender(mail_from: str) -> NoticesSettings:
    """Settings with another sender."""
    return NoticesSettings(mail_from=mail_from, url="https://postavka.test")


def test_a_link_that_is_longer_than_a_line_stays_whole():
    off = "https://cabinet.postavka.test/letters/off?to=" + "a" * 200
    content = to_outgoing(replace(email(), off=off), CONFIG).content
    assert f"\r\nList-Unsubscribe: <{off}>\r\n".encode() in content


@given(TEXT, TEXT)
def test_encoded_words_and_their_lines_are_within_the_standard(subject: str, name: str):
    """RFC 2047, 2. Words that arrive are read by the library's other decoder, which keeps blanks between them."""
    sent = replace(email(), subject=subject, recipient=Recipient("someone@a-rather-long-domain.example.org", name))
    head = to_outgoing(sent, CONFIG).content.split(b"\r\n\r\n", 1)[0]
    for line in head.decode("ascii").split("\r\n"):
        words = re.findall(r"=\?[^? ]+\?[bq]\?[^? ]*\?=", line)
        assert all(len(each) <= LONGEST_WORD for each in words)
        assert not words or len(line) <= LONGEST_LINE
    folded = message_from_bytes(head + b"\r\n\r\n", policy=policy.compat32)
    assert decoded(folded["Subject"]) == one_line(subject)
    assert decoded(folded["To"].rpartition("<")[0]) == one_line(name)


def decoded(header: str) -> str:
    """As RFC 2047 says: blanks between encoded words are none."""
    return str(make_header(decode_header("".join(header.splitlines()).strip())))


def one_line(text: str) -> str:
    """What can be seen of a text, in one line."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


@pytest.mark.parametrize(
    "address", ["кто@example.org", "a@b.ru>,c@d.ru", "=?utf-8?q?x?=@y.ru", "a@b.ru\r\nBcc: c@d.ru", ""]
)
def test_an_address_that_no_server_takes_is_told(address: str):
    with pytest.raises(BadAddress):
        to_outgoing(replace(email(), recipient=Recipient(address, "Кто")), CONFIG)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://поставка.рф"},
        {"mail_domain": "поставка.рф"},
        {"mail_from": "Мы <мы@postavka.test>"},
        {"mail_support": "a..b@postavka.test"},
    ],
    ids=str,
)
def test_what_no_letter_could_be_written_with_is_said_at_the_start(changes: dict[str, str]):
    with pytest.raises(ValueError, match=r"POSTAVKA_(URL|MAIL_DOMAIN|MAIL_FROM)|mail_support"):
        NoticesSettings(**changes)
