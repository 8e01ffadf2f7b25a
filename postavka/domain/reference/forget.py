"""Taking a person out of the reference data, in every version of it. Versions, numbers and everything else stay."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg

from postavka.kernel.privacy.vault import ERASED, normal


def forget_contact(conninfo: str, person: str) -> int:
    """Blank the contact persons that this names (e-mail address, telephone, `partner/contact`) in all rows; returns in
    how many."""
    wanted = normal(person)
    count = 0
    with psycopg.connect(conninfo) as connection:
        found = connection.execute("SELECT to_regclass('reference.entries')").fetchone()
        if found is None or found[0] is None:
            return 0
        rows = connection.execute(
            "SELECT key, from_version, body FROM reference.entries WHERE kind = 'partner' AND NOT removed"
        ).fetchall()
        for key, version, body in rows:
            if _blank(key, body, wanted):
                connection.execute(
                    "UPDATE reference.entries SET body = %s WHERE kind = 'partner' AND key = %s AND from_version = %s",
                    (orjson.dumps(body).decode(), key, version),
                )
                count += 1
    return count


def _blank(partner: str, body: dict[str, Any], wanted: str) -> bool:
    changed = False
    for contact in body.get("contacts", ()):
        names = [f"{partner}/{contact['id']}", contact.get("email"), contact.get("phone")]
        if wanted in [normal(each) for each in names if each] and contact["name"] != ERASED:
            contact.update(name=ERASED, email=None, phone=None)
            changed = True
    return changed
