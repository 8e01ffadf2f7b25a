"""`postavka privacy`: forget a person without rewriting the log."""

from __future__ import annotations

from collections import Counter

from cyclopts import App

from postavka.domain.reference.forget import forget_contact
from postavka.kernel.console import console, print_json, print_line, table
from postavka.kernel.errors import ANSWER_IS_NO
from postavka.kernel.privacy.plain import find_plain
from postavka.kernel.privacy.vault import NobodyKnown, open_vault
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url
from services.privacy.erasing import erased_on_topic, tell

privacy = App(name="privacy", help="Personal data: who can be found, forgetting a person, what lies in the clear.")


@privacy.command
def find(person: str, *, json: bool = False) -> None:
    """Is anything encrypted for this person?

    Parameters
    ----------
    person
        E-mail address, telephone number, or PARTNER/CONTACT, the ids of a contact person.
    json
        Print the ids of the keys as JSON.
    """
    found = open_vault(connected()).find(person)
    if json:
        print_json(found)
    else:
        console.print("\n".join(f"key {each}" for each in found) if found else "nobody is found by this")


@privacy.command
def erase(person: str, *, reason: str, by: str, everybody: bool = False, json: bool = False) -> None:
    """Forget a person: its key is destroyed, and what the log has of it can't be read any more. This can't be undone.

    Parameters
    ----------
    person
        E-mail address, telephone number, or PARTNER/CONTACT, the ids of a contact person.
    reason
        Why, for the record. Do not name the person.
    by
        Who decides it.
    everybody
        Also when several persons are found (a telephone that is shared).
    json
        Print what was erased as JSON.
    """
    config = connected()
    vault = open_vault(config)
    try:
        erased = vault.erase(person, by, reason, everybody=everybody)
    except NobodyKnown:
        erased = []
    forgotten = forget_contact(database_url(config), person)
    if not erased and not forgotten:
        raise NobodyKnown("nothing here is encrypted for this person, or it was erased already")
    tell(config, vault)
    if json:
        print_json({"keys": [each.key_id for each in erased], "reference_rows": forgotten})
        return
    if erased:
        keys = ", ".join(each.key_id for each in erased)
        console.print(f"destroyed: {keys}; said on privacy.erasures", highlight=False)
    if forgotten:
        console.print(f"taken out of {forgotten} rows of the reference data; take it out of the file you load, too")
    console.print("Copies of the keys that were taken before still have it: docs/privacy.md")


@privacy.command
def erased(*, json: bool = False) -> None:
    """What was erased, when, by whom and why.

    Parameters
    ----------
    json
        One JSON object a line.
    """
    found = sorted(erased_on_topic(connected()).values(), key=lambda each: each.erased_at)
    if json:
        for each in found:
            print_line(each.model_dump(mode="json"))
        return
    shown = table("Erased", "key", "at", "by", "reason")
    for each in found:
        shown.add_row(each.key_id, f"{each.erased_at:%Y-%m-%d %H:%M:%S} UTC", each.erased_by, each.reason)
    console.print(shown)


@privacy.command
def check(*, json: bool = False) -> None:
    """Look for personal data that lies on the log in the clear, written by senders that do not encrypt. Exit status 1
    if there is any.

    Parameters
    ----------
    json
        One JSON object a record: coordinates and fields, never values.
    """
    found = list(find_plain(connected()))
    if json:
        for each in found:
            print_line({"record": each.record, "type": each.type, "source": each.source, "fields": each.fields})
    else:
        for (kind, source), count in Counter((each.type, each.source) for each in found).items():
            console.print(f"{count} × {kind} from {source}", highlight=False)
        console.print(f"{len(found)} records have personal data in the clear" if found else "none")
    if found:
        raise SystemExit(ANSWER_IS_NO)
