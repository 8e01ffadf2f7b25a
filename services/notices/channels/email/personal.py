"""E-mails name persons: what they say is kept encrypted with the key of whom they were written to.

Destroying the key forgets the person in every e-mail, in the list of what nobody wants to get, and in every copy of
both. The file of e-mails (`mbox`) is no store: e-mails that can't be read any more are taken out of it.
"""

from __future__ import annotations

import fcntl
import mailbox
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from events.personal import PREFIX, is_encrypted
from postavka.domain.email_address import is_address, read_address
from postavka.domain.reference.forget import contacts_ever
from postavka.kernel.privacy.vault import ERASED, Vault, normal
from postavka.kernel.process import liveness
from postavka.kernel.process.logs import logger
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from services.notices.channels.email.message import Email
from services.notices.channels.email.recipients import Recipient
from services.notices.channels.email.transport import locked_mbox, mbox_files

QUERIES = load_queries("services.notices")

log = logger(__name__)

COLUMNS = ("recipient", "recipient_name", "subject", "text", "html", "off", "said")
"""Of `mail`: what names the recipient, or may."""
BATCH = 200


def names_of(address: str | None, known_as: Sequence[str] = ()) -> list[str]:
    """Names of a person, the one that its key goes by first: the address as it was typed, as it travels, others."""
    names = [] if address is None else [address]
    if address is not None and is_address(address):  # an older release took others
        names.append(read_address(address).key)
    return list({normal(each): each for each in (*names, *known_as)}.values())


def protected(vault: Vault, email: Email) -> Email:
    """The e-mail as it is kept. One that is written to nobody by name stays as it is."""
    recipient = email.recipient
    names = names_of(recipient.address, recipient.known_as)
    if not names or recipient.name == ERASED:
        return email

    def encrypted(text: str) -> str:
        return vault.encrypt(text, names, longest=None)

    return replace(
        email,
        recipient=Recipient(recipient.address and encrypted(recipient.address), encrypted(recipient.name)),
        subject=encrypted(email.subject),
        text=encrypted(email.text),
        html=encrypted(email.html),
        off=email.off and encrypted(email.off),
    )


def reader_key(vault: Vault, address: str) -> str:
    """Whom a preference is of, as it is kept: the same text for every way to write the address. Raises `BadAddress`."""
    return vault.encrypt(read_address(address).key, names_of(address))


NOTICES = {"search_path": "notices,public"}


def protect_older(vault: Vault, conninfo: str) -> int:
    """Encrypt what a release before this one has kept in the clear; returns how many rows.

    Whose address the reference data have in no version any more was forgotten before: that is blanked.
    """
    people = _People(vault, conninfo)
    done = 0
    with (
        open_session(conninfo, NOTICES, autocommit=False, row_factory=dict_row) as reading,
        open_session(conninfo, NOTICES) as writing,
    ):
        for row in _in_the_clear(reading):
            _protect_row(people, writing, row)
            done += 1
            if done % BATCH == 0:
                liveness.beat(liveness.START, liveness.START_SECONDS)
        done += _protect_preferences(people, writing)
    if done:
        with psycopg.connect(conninfo, autocommit=True) as alone:  # no older snapshot keeps what was overwritten
            alone.execute(QUERIES.vacuum)
        log.info("older letters are encrypted now", rows=done)
    return done


def _in_the_clear(connection: psycopg.Connection[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    with connection.cursor("letters_in_the_clear") as cursor:
        cursor.itersize = BATCH
        cursor.execute(
            f"SELECT id, party_id, {', '.join(COLUMNS)} FROM mail "  # noqa: S608
            "WHERE recipient_name <> ALL(ARRAY[party_id, %(erased)s]) AND NOT starts_with(recipient_name, %(prefix)s)",
            {"erased": ERASED, "prefix": PREFIX},
        )
        yield from cursor


def _protect_row(people: _People, connection: psycopg.Connection[Any], row: dict[str, Any]) -> None:
    names = people.names(row["recipient"], row["recipient_name"], row["party_id"])
    if names:
        values = {name: row[name] and people.vault.encrypt(row[name], names, longest=None) for name in COLUMNS}
    else:
        values = dict.fromkeys(COLUMNS, ERASED) | {"off": None, "said": None}
    sets = ", ".join(f"{name} = %({name})s" for name in values)
    if not names:
        sets += ", status = CASE WHEN status IN ('due', 'sending') THEN 'no-address' ELSE status END"
    connection.execute(f"UPDATE mail SET {sets} WHERE id = %(id)s", values | {"id": row["id"]})  # noqa: S608


def _protect_preferences(people: _People, connection: psycopg.Connection[Any]) -> int:
    rows = connection.execute(QUERIES.recipients).fetchall()
    plain = [address for (address,) in rows if not is_encrypted(address)]
    for address in plain:
        if is_address(address) and people.names(address, "", ""):
            key = reader_key(people.vault, address)
            connection.execute(QUERIES.copy_preferences, (key, address))
        connection.execute(QUERIES.forget_preferences, (address,))
    return len(plain)


class _People:
    """Contact persons that are known today: those of all versions of the reference data, and of the vault."""

    def __init__(self, vault: Vault, conninfo: str) -> None:
        self.vault = vault
        self._by_name: dict[tuple[str, str], str] = {}
        self._addresses: set[str] = set()
        for party_id, contact in contacts_ever(conninfo):
            self._by_name[party_id, contact["name"]] = f"{party_id}/{contact['id']}"
            if contact.get("email"):
                self._addresses.add(normal(contact["email"]))

    def names(self, address: str | None, name: str, party_id: str) -> list[str]:
        """Names of the recipient of an e-mail; none for one who was forgotten."""
        known_as = [self._by_name[party_id, name]] if (party_id, name) in self._by_name else []
        if address is None:
            return known_as
        known = normal(address) in self._addresses or bool(self.vault.find(address))
        return names_of(address, known_as) if known else []


def forget_in_mbox(vault: Vault, conninfo: str, file: Path) -> int:
    """Take e-mails out of the file, and those with a number, whose rows can't be read any more, or are gone; returns
    how many."""
    if not file.parent.exists():
        return 0
    with locked_mbox(file):
        return sum(_forget_in(vault, conninfo, each) for each in mbox_files(file) if each.exists())


def _forget_in(vault: Vault, conninfo: str, file: Path) -> int:
    with file.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        box = mailbox.mbox(file, create=False)
        emails = [(str(each["Message-ID"]), box.get_bytes(key, from_=True)) for key, each in box.iteritems()]
        box.close()
        readable = _readable(vault, conninfo, [message_id for message_id, _ in emails])
        kept = [content for message_id, content in emails if message_id in readable]
        if len(kept) < len(emails):
            held.write(b"".join(content + b"\n" for content in kept))
            held.truncate()
            held.flush()
            os.fsync(held.fileno())
    return len(emails) - len(kept)


def _readable(vault: Vault, conninfo: str, message_ids: list[str]) -> set[str]:
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(QUERIES.recipients_of, (message_ids,)).fetchall()
    return {message_id for message_id, recipient in rows if vault.reveal(recipient) != ERASED}
