"""`postavka topics` and `postavka contract`: what the log is made of, and what stands in it."""

from __future__ import annotations

from pathlib import Path

from events.export import export
from events.topics import topic_names
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.console import console
from postavka.kernel.installation import held
from postavka.kernel.log.record import partition_name
from postavka.kernel.log.topics import ensure_topics, repair_topics
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url


def topics(*, repair: bool = False, set_back: bool = False) -> None:
    """Create what topics are missing, with one for each distributor of the reference data.

    Parameters
    ----------
    repair
        Give topics that exist the settings that they must have, where `postavka doctor` finds them wrong.
    set_back
        Let partitions be read again that have lost their end and are held: checkpoints are set back, and the readers
        start anew by themselves.
    """
    config = connected()
    names = topic_names(distributor_ids(database_url(config)))
    made = ensure_topics(config, names)
    console.print("\n".join(made) if made else "all topics are there")
    for topic, values in repair_topics(config, names).items() if repair else ():
        was = ", ".join(f"{name}={value}" for name, value in values.items())
        console.print(f"{topic}: set right (was {was})", highlight=False)
    if set_back:
        moved = held.set_back(config)
        for each, offset in moved.items():
            place = partition_name(*each.place)
            console.print(f"{place}: {each.reader} reads from offset {offset + 1} on", highlight=False)
        console.print("ask the senders for what they sent before, and was lost" if moved else "nothing is held")


def contract(folder: Path) -> None:
    """Write the contract's JSON Schemas and the AsyncAPI document to a folder.

    Parameters
    ----------
    folder
        Where to; made if need be.
    """
    for path in export(folder):
        console.print(str(path), highlight=False)
