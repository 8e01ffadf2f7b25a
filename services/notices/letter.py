"""A letter: what a piece of news looks like as e-mail, text and HTML."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import encodebytes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from urllib.parse import quote
from uuid import UUID, uuid5

from babel.dates import format_datetime as in_words
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from postavka.domain.calendar import MOSCOW
from services.notices.kinds import KINDS, Kind, Party
from services.notices.recipients import Recipient
from services.notices.settings import NoticesSettings, is_mailable
from services.notices.story import News
from services.notices.wording import word

PLAIN = re.compile(r"[A-Za-z0-9 -]{1,60}")
"""A name that needs neither quotes nor code."""
NAMESPACE = UUID("b5a3c1a8-6a0e-4f0e-9d3e-0f1f6d2b7c11")


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it is kept. Its Message-ID is made from cause, kind and recipient: a repeat is recognisable."""

    id: UUID
    message_id: str
    request_id: UUID
    kind: Kind
    party: Party
    party_id: str
    recipient: Recipient
    subject: str
    text: str
    html: str
    cause: str
    happened_at: datetime
    off: str | None = None
    """Link that switches this kind off for this recipient; None for mandatory kinds."""


def write_letters(news: News, recipients: Iterable[Recipient], config: NoticesSettings, secret: bytes) -> list[Letter]:
    """A letter to each of them."""
    assert news.mail is not None  # noqa: S101
    return [_letter(news, news.mail, each, config, secret) for each in recipients]


def letter_id(news: News, kind: Kind, address: str | None) -> UUID:
    """The same for the same news to the same person, for ever."""
    what = f"{news.request_id}|{news.once}" if news.once else news.cause.reference
    return uuid5(NAMESPACE, f"{what}|{kind}|{news.party}|{news.party_id}|{(address or '').lower()}")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A letter as it goes to a server: addresses, and its bytes (RFC 5322), lines ending in CRLF."""

    sender: str
    recipient: str
    content: bytes


def to_outgoing(letter: Letter, config: NoticesSettings) -> Outgoing:
    """The same letter gives the same bytes. Two forms of one text, the better one last (RFC 2046, 5.1.4).

    Written here: the library's own way from texts to lines takes ten times as long as all else that is done for a
    letter. Raises `ValueError` for an address that no header can hold.
    """
    boundary = f"=_{letter.id.hex}"  # base64 has no underscore
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(letter, config))
    parts = "".join(
        f'--{boundary}\r\nContent-Type: text/{form}; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + encodebytes(_lines(text)).decode().replace("\n", "\r\n")
        for form, text in (("plain", letter.text), ("html", letter.html))
    )
    kind = f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
    content = f"{head}{kind}{parts}--{boundary}--\r\n".encode("ascii")
    return Outgoing(_named(config.mail_from)[1], letter.recipient.address or "", content)


def _lines(text: str) -> bytes:
    return b"".join(line + b"\r\n" for line in text.encode().splitlines())


def _headers(letter: Letter, config: NoticesSettings) -> Iterator[tuple[str, str]]:
    yield "From", _person("From", *_named(config.mail_from))
    yield "To", _person("To", letter.recipient.name, letter.recipient.address or "")
    yield "Subject", _words("Subject", letter.subject)
    yield "Date", format_datetime(letter.happened_at)
    yield "Message-ID", letter.message_id
    yield "Auto-Submitted", "auto-generated"
    # All letters of a request are shown as one conversation.
    yield "References", f"<request.{letter.request_id}@{domain_of(config)}>"
    if letter.off is not None:
        yield "List-Unsubscribe", f"<{letter.off}>"
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"


@lru_cache
def _named(mail_from: str) -> tuple[str, str]:
    return parseaddr(mail_from)


def _person(header: str, name: str, address: str) -> str:
    if not is_mailable(address):
        raise ValueError("an address with letters that mail servers don't take")
    words = _one_line(name)
    if not words:
        return f"<{address}>"
    return f"{words if PLAIN.fullmatch(words) else _encoded(header, words)} <{address}>"


def _words(header: str, text: str) -> str:
    """Words of a header, in lines of its length."""
    text = _one_line(text)
    return text if text.isascii() and "=?" not in text else _encoded(header, text)


@lru_cache(1_000)
def _encoded(header: str, words: str) -> str:
    """As RFC 2047 writes them, which a reader can take for nothing else."""
    return Header(words, "utf-8", header_name=header).encode(linesep="\r\n")


def _one_line(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def domain_of(config: NoticesSettings) -> str:
    """Of Message-IDs."""
    return config.mail_domain or _named(config.mail_from)[1].rpartition("@")[2] or "localhost"


def unsubscribe_link(url: str, address: str, kind: Kind, secret: bytes) -> str:
    """The link of one person for one kind."""
    sign = signature(secret, address, kind)
    return f"{url.rstrip('/')}/letters/off?to={quote(address)}&kind={kind}&sign={sign}"


def signature(secret: bytes, address: str, kind: str) -> str:
    """Proves that a link was made here: nobody switches off another's letters by guessing."""
    return hmac.digest(secret, f"{address.lower()}|{kind}".encode(), hashlib.sha256).hex()[:32]


def _letter(news: News, kind: Kind, recipient: Recipient, config: NoticesSettings, secret: bytes) -> Letter:
    worded, about = word(news), KINDS[kind]
    chosen = letter_id(news, kind, recipient.address)
    off = None
    if not about.mandatory and config.url and recipient.address:
        off = unsubscribe_link(config.url, recipient.address, kind, secret)
    number = news.story.permission_number if news.story and kind is Kind.PERMISSION else None
    values = {
        "title": worded.title,
        "paragraphs": worded.paragraphs,
        "points": worded.points,
        "number": number,
        "link": config.url.rstrip("/") + worded.path if config.url and worded.action else None,
        "action": worded.action,
        "moment": in_words(news.cause.happened_at, "d MMMM y, HH:mm", tzinfo=MOSCOW, locale="ru") + " (Москва)",
        "request_id": news.request_id,
        "because": (
            "вы контактное лицо партнёра по этой заявке"
            if news.party is Party.PARTNER
            else "ваш адрес указан для уведомлений дистрибьютора"
        ),
        "unsubscribe": off,
        "mandatory": about.mandatory,
        "about": about.title,
        "vendor": config.mail_vendor,
        "support": config.mail_support,
    }
    html_rows = tuple(each for each in worded.rows if number is None or each[1] != number)
    return Letter(
        id=chosen,
        message_id=f"<{chosen}@{domain_of(config)}>",
        request_id=news.request_id,
        kind=kind,
        party=news.party,
        party_id=news.party_id,
        recipient=recipient,
        subject=" ".join(worded.title.split())[:200],
        text=ENVIRONMENT.get_template("mail.txt").render(values, rows=worded.rows),
        html=ENVIRONMENT.get_template("mail.html").render(values, rows=html_rows),
        cause=news.cause.reference,
        happened_at=news.cause.happened_at,
        off=off,
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("services.notices", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


ENVIRONMENT = _environment()
