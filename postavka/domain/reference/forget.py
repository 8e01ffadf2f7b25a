"""Taking a person out of the reference data, in every version of it. Versions, numbers and everything else stay."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg

from postavka.kernel.privacy.vault import ERASED, normal
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.domain.reference")


def forget_contact(conninfo: str, person: str) -> int:
    """Blank the contact persons of partners and distributors that this names (e-mail address, telephone,
    `partner/contact`) in all rows; returns in how many."""
    wanted = normal(person)
    count = 0
    with psycopg.connect(conninfo) as connection:
        for kind, key, version, body in _parties(connection):
            if _blank(key, body, wanted):
                connection.execute(QUERIES.blank_contact, (orjson.dumps(body).decode(), kind, key, version))
                count += 1
        if count:  # whoever remembers the newest version reads it anew
            connection.execute(QUERIES.touch_newest_version)
    return count


def contacts_ever(conninfo: str) -> list[tuple[str, dict[str, Any]]]:
    """Party and contact person, of all versions; not those that were forgotten."""
    with psycopg.connect(conninfo) as connection:
        return [
            (key, contact)
            for _, key, _, body in _parties(connection)
            for contact in body.get("contacts", ())
            if contact["name"] != ERASED
        ]


def _parties(connection: psycopg.Connection[Any]) -> list[tuple[str, str, int, dict[str, Any]]]:
    found = connection.execute(QUERIES.entries_there).fetchone()
    if found is None or found[0] is None:
        return []
    return connection.execute(QUERIES.parties).fetchall()


def _blank(party: str, body: dict[str, Any], wanted: str) -> bool:
    changed = False
    for contact in body.get("contacts", ()):
        names = [f"{party}/{contact['id']}", contact.get("email"), contact.get("phone")]
        if wanted in [normal(each) for each in names if each] and contact["name"] != ERASED:
            contact.update(name=ERASED, email=None, phone=None)
            changed = True
    return changed
