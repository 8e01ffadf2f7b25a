"""An e-mail: what a piece of news looks like as e-mail, text and HTML."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from uuid import UUID, uuid5

from babel.dates import format_datetime as in_words
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from postavka.domain.calendar import MOSCOW
from postavka.kernel.privacy.installation_keys import LETTERS, installation_key
from postavka.kernel.settings import Settings, database_url
from services.notices.categories import CATEGORIES, Audience, Category
from services.notices.channels.email.recipients import Recipient
from services.notices.rules import News
from services.notices.settings import NoticesSettings, notices_settings
from services.notices.texts import Worded, word

NAMESPACE = UUID("b5a3c1a8-6a0e-4f0e-9d3e-0f1f6d2b7c11")
OF_DISTRIBUTOR = "ваш адрес указан для уведомлений дистрибьютора"


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail as it is kept. Its Message-ID is made from cause, kind and recipient: a repeat is recognisable."""

    id: UUID
    message_id: str
    request_id: UUID | None
    """None: it is about no request."""
    kind: Category
    party: Audience
    party_id: str
    recipient: Recipient
    subject: str
    text: str
    html: str
    cause: str
    happened_at: datetime
    off: str | None = None
    """Link that switches this kind off for this recipient; None for mandatory kinds."""


def write_emails(news: News, recipients: Iterable[Recipient], config: NoticesSettings, secret: bytes) -> list[Email]:
    """An e-mail to each of them."""
    assert news.category is not None  # noqa: S101
    return [_email(news, news.category, each, config, secret) for each in recipients]


def email_id(news: News, kind: Category, address: str | None) -> UUID:
    """The same for the same news to the same person, for ever."""
    what = f"{news.request_id}|{news.once}" if news.once else news.cause.reference
    return uuid5(NAMESPACE, f"{what}|{kind}|{news.party}|{news.party_id}|{(address or '').lower()}")


def domain_of(config: NoticesSettings) -> str:
    """The domain in Message-IDs."""
    return config.mail_domain or config.sender[1].domain


def unsubscribe_link(url: str, address: str, kind: Category, secret: bytes) -> str:
    """The link of one person for one kind."""
    sign = signature(secret, address, kind)
    return f"{url.rstrip('/')}/letters/off?to={quote(address)}&kind={kind}&sign={sign}"


def signature(secret: bytes, address: str, kind: str) -> str:
    """Proves that a link was made here: nobody switches off another's e-mails by guessing."""
    return hmac.digest(secret, f"{address.lower()}|{kind}".encode(), hashlib.sha256).hex()[:32]


def write_announcement(
    party: Audience,
    party_id: str,
    kind: Category,
    worded: Worded,
    cause: str,
    recipient: Recipient,
    config: NoticesSettings,
) -> Email:
    """An e-mail about no request, of a category that can't be switched off. The same cause is the same e-mail."""
    chosen = uuid5(NAMESPACE, f"{cause}|{kind}|{party}|{party_id}|{(recipient.address or '').lower()}")
    whose = "вы контактное лицо партнёра" if party is Audience.PARTNER else OF_DISTRIBUTOR
    email = Email(
        chosen, f"<{chosen}@{domain_of(config)}>", None, kind, party, party_id, recipient, "", "", "", cause,
        datetime.now(UTC),
    )  # fmt: skip
    return _rendered(email, worded, config, request=None, because=whose, vendor=config.vendor)


def _email(news: News, kind: Category, recipient: Recipient, config: NoticesSettings, secret: bytes) -> Email:
    worded, about = word(news, config.vendor), CATEGORIES[kind]
    chosen = email_id(news, kind, recipient.address)
    off = None
    if not about.mandatory and config.url and recipient.address:
        off = unsubscribe_link(config.url, recipient.address, kind, secret)
    known_number = news.known.number if news.known else None
    request = f"№\u00a0{known_number} ({news.request_id})" if known_number else str(news.request_id)
    whose = "вы контактное лицо партнёра по этой заявке" if news.party is Audience.PARTNER else OF_DISTRIBUTOR
    email = Email(
        chosen, f"<{chosen}@{domain_of(config)}>", news.request_id, kind, news.party, news.party_id, recipient, "", "",
        "", news.cause.reference, news.cause.happened_at, off,
    )  # fmt: skip
    number = news.known.permission_number if news.known and kind is Category.PERMISSION else None
    vendor = (news.known.vendor if news.known else None) or config.vendor
    return _rendered(email, worded, config, request=request, because=whose, vendor=vendor, number=number)


def _rendered(
    email: Email,
    worded: Worded,
    config: NoticesSettings,
    *,
    request: str | None,
    because: str,
    vendor: str,
    number: str | None = None,
) -> Email:
    """The e-mail with its subject and texts."""
    about = CATEGORIES[email.kind]
    values = {
        "title": worded.title,
        "paragraphs": worded.paragraphs,
        "points": worded.points,
        "number": number,
        "link": config.url.rstrip("/") + worded.path if config.url and worded.action else None,
        "action": worded.action,
        "moment": in_words(email.happened_at, "d MMMM y, HH:mm", tzinfo=MOSCOW, locale="ru") + " (Москва)",
        "request": request,
        "because": because,
        "unsubscribe": email.off,
        "mandatory": about.mandatory,
        "about": about.title,
        "vendor": vendor,
        "support": config.mail_support,
    }
    html_rows = tuple(each for each in worded.rows if number is None or each[1] != number)
    return replace(
        email,
        subject=" ".join(worded.title.split())[:200],
        text=ENVIRONMENT.get_template("mail.txt").render(values, rows=worded.rows),
        html=ENVIRONMENT.get_template("mail.html").render(values, rows=html_rows),
    )


_secrets: dict[tuple[str, Path], bytes] = {}


def email_secret(config: Settings) -> bytes:
    """What links in e-mails are signed with, read once a process. Raises `NoKey`, `WrongKey`."""
    place = (database_url(config), config.home)
    if place not in _secrets:
        _secrets[place] = installation_key(config, LETTERS, notices_settings().letters_key)
    return _secrets[place]


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
