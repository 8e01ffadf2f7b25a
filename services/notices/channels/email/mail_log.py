"""The log of e-mails, what was sent, to whom, what became of it: for the command line and for pages. Preferences of
recipients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Identifier, Placeholder

from postavka.domain.email_address import read_address
from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.id_beginning import bounds, the_one
from postavka.kernel.privacy.vault import Vault, open_vault
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from services.notices.categories import CATEGORIES, Category
from services.notices.channels.email.personal import reader_key

QUERIES = load_queries("services.notices")

STATUSES = ("due", "sending", "sent", "failed", "off", "no-address", "too-old")
COLUMNS = (
    "id, request_id, kind, party, party_id, recipient, recipient_name, message_id, subject, cause, happened_at, "
    "made_at, status, tries, next_at, sent_at, unsure, said"
)
AGAIN = ("failed", "too-old", "no-address", "off")
"""An e-mail in one of these is sent when somebody asks for it."""


class NoSuchEmail(NotFound):
    """There is no e-mail of that id, or it can't be sent again."""


class Mandatory(UserError):
    """A kind of e-mail that can't be switched off."""


@dataclass(frozen=True, slots=True)
class MailFilter:
    """The filter of a list; None: any."""

    status: str | None = None
    request_id: UUID | None = None
    recipient: str | None = None
    kind: str | None = None

    def conditions(self, vault: Vault) -> tuple[list[Composable], dict[str, Any]]:
        """Conditions on an e-mail, all of which hold, and their values. A recipient is found by its key."""
        conditions: list[Composable] = [SQL("true")]
        values: dict[str, Any] = {}
        for name, value in (("status", self.status), ("request_id", self.request_id), ("kind", self.kind)):
            if value is not None:
                conditions.append(SQL("{} = {}").format(Identifier(name), Placeholder(name)))
                values[name] = value
        if self.recipient is not None:
            conditions.append(SQL("split_part(recipient, ':', 3) = ANY(%(keys)s)"))
            values["keys"] = vault.find(self.recipient)
        return conditions, values


def connect(conninfo: str) -> psycopg.Connection[dict[str, Any]]:
    """A connection to the schema of the notices."""
    return open_session(conninfo, {"search_path": "notices,public"}, row_factory=dict_row)


def emails(config: Settings, wanted: MailFilter, limit: int) -> list[dict[str, Any]]:
    """Newest first, readable as far as there are keys."""
    vault = open_vault(config)
    conditions, values = wanted.conditions(vault)
    values |= {"after_at": None, "after_id": None, "size": limit}
    with connect(database_url(config)) as connection:
        rows = connection.execute(QUERIES.letters.format(SQL(" AND ").join(conditions)), values).fetchall()
    return [vault.reveal(row) for row in rows]


def email(config: Settings, id: UUID) -> dict[str, Any]:
    """The e-mail of this id with its text and HTML. Raises `NoSuchEmail`."""
    with connect(database_url(config)) as connection:
        row = connection.execute(f"SELECT {COLUMNS}, text, html FROM mail WHERE id = %s", (id,)).fetchone()  # noqa: S608
    if row is None:
        raise NoSuchEmail(f"there is no letter {id}; see `postavka notices list`")
    readable: dict[str, Any] = open_vault(config).reveal(row)
    return readable


def find_email(typed: str) -> UUID:
    """The one e-mail whose id begins as a person has typed it. Raises `UserError`, `NotFound`."""
    with connect(database_url(connected())) as connection:
        found = connection.execute(QUERIES.letters_beginning, bounds("letter", typed)).fetchall()
    letters: list[UUID] = [row["id"] for row in found]
    return the_one("letter", typed, letters)


def send_again(conninfo: str, id: UUID | None) -> int:
    """Let an e-mail that has failed be tried again from the beginning (None: all that have failed); one without an
    address must get one first: in the reference data, for e-mails to come. Raises `NoSuchEmail`."""
    with connect(conninfo) as connection:
        changed = connection.execute(QUERIES.send_again, {"id": id, "again": list(AGAIN)}).rowcount
    if id is not None and not changed:
        raise NoSuchEmail(f"{id}: no such letter, or it is due or sent already, or it has no address")
    return changed


def preferences(config: Settings, recipient: str) -> dict[Category, bool]:
    """Every kind → does this person get it? Raises `BadAddress`."""
    off: set[str] = set()
    vault = open_vault(config)
    if vault.find(read_address(recipient).key):
        with connect(database_url(config)) as connection:
            rows = connection.execute(QUERIES.preferences, (reader_key(vault, recipient),)).fetchall()
        off = {row["kind"] for row in rows}
    return {kind: about.mandatory or kind.value not in off for kind, about in CATEGORIES.items()}


def switch(config: Settings, recipient: str, kind: Category, on: bool, by: str) -> None:
    """Switch a kind on or off for a person. Raises `Mandatory`, `BadAddress`."""
    if CATEGORIES[kind].mandatory and not on:
        raise Mandatory(f"letters of the kind {kind} can't be switched off: {CATEGORIES[kind].title}")
    key = reader_key(open_vault(config), recipient)
    with connect(database_url(config)) as connection:
        if on:
            connection.execute(QUERIES.switch_on, (key, kind))
        else:
            connection.execute(QUERIES.switch_off, (key, kind, by))
