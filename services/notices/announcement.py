"""News that no event of the log brings: what another service has to tell people, as an e-mail in the outbox."""

from __future__ import annotations

from postavka.domain.reference.store import current
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.session import open_session
from services.notices.categories import Audience, Category
from services.notices.channels.email.channel import insert_emails
from services.notices.channels.email.message import write_announcement
from services.notices.channels.email.personal import protected
from services.notices.channels.email.recipients import recipients_of_party
from services.notices.settings import notices_settings
from services.notices.texts import Worded


def announce(config: Settings, party: Audience, party_id: str, kind: Category, worded: Worded, cause: str) -> None:
    """Write an e-mail down for each of the party's people; the same cause twice is one. Raises `psycopg.Error`."""
    conninfo = database_url(config)
    vault, chosen = open_vault(config), notices_settings()
    emails = [
        write_announcement(party, party_id, kind, worded, cause, each, chosen)
        for each in recipients_of_party(party, party_id, current(conninfo))
    ]
    kept = [(protected(vault, each), "due" if each.recipient.address else "no-address") for each in emails]
    with open_session(conninfo, {"search_path": "notices,public"}) as connection:
        insert_emails(connection, kept)
