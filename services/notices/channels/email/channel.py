"""News as e-mails: written down with the marks, sent by `sender.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg

from postavka.domain.reference.store import Snapshot
from postavka.kernel.privacy.vault import Vault, open_vault
from postavka.kernel.settings import Settings
from postavka.kernel.store.arrays import Texts, Times, Uuids
from postavka.kernel.store.queries import load_queries
from services.notices.categories import CATEGORIES
from services.notices.channels.channel import NewsItem
from services.notices.channels.email.message import Email, email_secret, write_emails
from services.notices.channels.email.personal import protected, reader_key
from services.notices.channels.email.recipients import recipients
from services.notices.settings import NoticesSettings

QUERIES = load_queries("services.notices")


class EmailChannel:
    """The `OutgoingChannel` of e-mail."""

    def __init__(self, config: Settings, chosen: NoticesSettings, reference: Callable[[], Snapshot]) -> None:
        self._config = chosen
        self._reference = reference
        self._secret = email_secret(config)
        self._vault = partial(open_vault, config)

    def deliver(self, connection: psycopg.Connection[Any], items: Sequence[NewsItem]) -> int:
        """Deliver as `OutgoingChannel` says."""
        wanted = [each.news for each in items if each.news.category is not None]
        if not wanted:
            return 0
        snapshot, vault = self._reference(), self._vault()
        emails = [
            email
            for news in wanted
            for email in write_emails(news, recipients(news, snapshot, vault.readable), self._config, self._secret)
        ]
        off = self._switched_off(connection, vault, emails)
        oldest = datetime.now(UTC) - timedelta(seconds=self._config.mail_oldest_seconds)
        insert_emails(connection, [(protected(vault, each), _status(each, off, oldest)) for each in emails])
        return len(emails)

    def _switched_off(
        self, connection: psycopg.Connection[Any], vault: Vault, emails: Iterable[Email]
    ) -> set[tuple[str, str]]:
        """Address and kind of what its reader doesn't want."""
        addresses = {each.recipient.address for each in emails if each.recipient.address}
        readers = {address: reader_key(vault, address) for address in addresses}
        rows = connection.execute(QUERIES.switched_off, (list(readers.values()),)).fetchall()
        return {(address, kind) for address, key in readers.items() for recipient, kind in rows if recipient == key}


_MAIL = {
    **dict.fromkeys(("id", "request_id"), "uuid"),
    **dict.fromkeys(("kind", "party", "party_id", "recipient", "recipient_name", "message_id"), "text"),
    **dict.fromkeys(("subject", "text", "html", "off", "cause"), "text"),
    "happened_at": "timestamptz",
    "status": "text",
}
_ARRAYS = {"uuid": Uuids, "text": Texts, "timestamptz": Times}
INSERT_MAIL = (
    f"INSERT INTO mail ({', '.join(_MAIL)}) "  # noqa: S608
    f"SELECT * FROM unnest({', '.join(f'%b::{kind}[]' for kind in _MAIL.values())}) ON CONFLICT DO NOTHING"
)


def insert_emails(connection: psycopg.Connection[Any], emails: Iterable[tuple[Email, str]]) -> None:
    """Write e-mails down as they are kept, each with its status; what is there already stays as it is."""
    rows = [_row(*each) for each in emails]
    columns = [_ARRAYS[kind](column) for kind, column in zip(_MAIL.values(), zip(*rows, strict=True), strict=True)]
    connection.execute(INSERT_MAIL, columns)


def _status(email: Email, off: set[tuple[str, str]], oldest: datetime) -> str:
    if email.recipient.address is None:
        return "no-address"
    if email.happened_at < oldest:
        return "too-old"
    if not CATEGORIES[email.kind].mandatory and (email.recipient.address, email.kind) in off:
        return "off"
    return "due"


def _row(email: Email, status: str) -> tuple[Any, ...]:
    return (
        *(email.id, email.request_id, email.kind, email.party, email.party_id),
        *(email.recipient.address, email.recipient.name, email.message_id),
        *(email.subject, email.text, email.html, email.off, email.cause, email.happened_at, status),
    )
