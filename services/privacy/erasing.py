"""An erasure is said on the log, by the id of the key: whose it was is known to nobody afterwards.

First the key is destroyed, then it is said. What was not said yet after a crash is said with the next erasure. Who puts
keys back from an older copy asks the topic which of them were destroyed since (`destroy_again`).
"""

from __future__ import annotations

from events.audit import PersonErased
from events.registry import BadBody, UnknownType, decode
from events.topics import ERASURES
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.privacy.vault import Erasure, Vault
from postavka.kernel.settings import PARTITIONS, Settings

SOURCE = "/postavka/privacy"


def tell(config: Settings, vault: Vault) -> list[Erasure]:
    """Put erasures that are not on the topic yet onto it; returns them."""
    unpublished = vault.unpublished()
    if unpublished:
        sender = Sender(config, SOURCE)
        for each in unpublished:
            sender.send(
                ERASURES.name,
                each.key_id,
                PersonErased(
                    key_id=each.key_id, erased_by=each.erased_by, reason=each.reason, erased_at=each.erased_at
                ),
            )
        sender.flush()
        vault.mark_published(unpublished)
    return unpublished


def erased_on_topic(config: Settings) -> dict[str, PersonErased]:
    """All erasures that were ever said, by key."""
    found: dict[str, PersonErased] = {}
    for batch in read_records(config, {(ERASURES.name, number): 0 for number in range(PARTITIONS)}):
        for record in batch:
            try:
                statement = decode(PersonErased.TYPE, record.value)
            except (BadBody, UnknownType):
                continue
            if isinstance(statement, PersonErased):
                found.setdefault(statement.key_id, statement)
    return found


def destroy_again(config: Settings, vault: Vault) -> int:
    """Destroy keys that came back with an older copy although they had been destroyed; returns how many."""
    count = 0
    for key_id, erasure in erased_on_topic(config).items():
        count += len(vault.erase_keys([key_id], erasure.erased_by, erasure.reason))
    return count
