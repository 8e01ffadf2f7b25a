"""Addresses of those who are notified: contact persons of the partner, or of the distributor, and nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from events.personal import is_encrypted
from events.reference import Contact
from postavka.domain.email_address import is_address
from postavka.domain.reference.store import Snapshot
from services.notices.categories import Audience
from services.notices.rules import News


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person to write to, with the address; `address` None: nobody of this party has one."""

    address: str | None
    name: str
    known_as: tuple[str, ...] = ()
    """Further names of the person, `party/contact`; nothing where no person is meant."""


def recipients(
    news: News, snapshot: Snapshot, readable: Callable[[Contact], Contact] = lambda contact: contact
) -> Sequence[Recipient]:
    """The persons to whom news goes. Of a partner it is one: the contact of the request (L5), or where that has no
    address, the partner's first that has one. Of a distributor all its contacts with an address. `readable` makes a
    contact of an event readable: on the log persons are encrypted. One that was erased has no address any more."""
    if news.party is Audience.DISTRIBUTOR:
        found = [_of(news.party_id, each) for each in _addressed(snapshot.distributor_contacts.get(news.party_id, ()))]
        return list({each.address: each for each in found}.values()) or [Recipient(None, news.party_id)]
    entry = snapshot.partners.get(news.party_id)
    contacts = dict(entry.contacts) if entry else {}
    known = news.known
    wanted = (_read(known.contact, readable) if known and known.contact else None) or contacts.get(
        (known.contact_id if known else None) or ""
    )
    candidates = [wanted] if wanted else []
    addressed = _addressed([*candidates, *contacts.values()])
    if addressed:
        return [_of(news.party_id, addressed[0])]
    return [replace(_of(news.party_id, wanted), address=None)] if wanted else [Recipient(None, news.party_id)]


def recipients_of_party(party: Audience, party_id: str, snapshot: Snapshot) -> Sequence[Recipient]:
    """The persons to whom news goes that is about no request: the partner's first contact that has an address, all of a
    distributor's."""
    if party is Audience.DISTRIBUTOR:
        found = _addressed(snapshot.distributor_contacts.get(party_id, ()))
    else:
        entry = snapshot.partners.get(party_id)
        found = _addressed(entry.contacts.values() if entry else ())[:1]
    return [_of(party_id, each) for each in found] or [Recipient(None, party_id)]


def _read(contact: Contact, readable: Callable[[Contact], Contact]) -> Contact:
    return readable(contact) if any(map(is_encrypted, (contact.name, contact.email))) else contact


def _addressed(contacts: Iterable[Contact]) -> list[Contact]:
    return [each for each in contacts if each.email and is_address(each.email)]


def _of(party_id: str, contact: Contact) -> Recipient:
    return Recipient(contact.email, contact.name, (f"{party_id}/{contact.id}",))
