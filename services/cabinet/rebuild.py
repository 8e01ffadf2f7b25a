"""The cabinet, for those who build it anew (`postavka.kernel.projection.rebuild`)."""

from __future__ import annotations

from collections.abc import Mapping

from postavka.kernel.address import load
from postavka.kernel.projection.read_model import CatchingUp, ReadModel
from postavka.kernel.settings import Settings
from postavka.kernel.store.checkpoint import Checkpoint
from services.cabinet.folded import CabinetFold
from services.cabinet.table import SCHEMA, TOPICS, prepare


def live(config: Settings, schema: str, marks: Mapping[str, Checkpoint]) -> CatchingUp:
    """Imported when it is called: the processes that fold do without it, and start in half the time."""
    made: CatchingUp = load("services.cabinet.projection:Cabinet")(config, schema)
    return made


MODEL = ReadModel(
    address="services.cabinet.rebuild:MODEL",
    schema=SCHEMA,
    tables={"requests": (), "marks": (), "unread": ()},
    topics=lambda config: TOPICS,
    prepare=prepare,
    fold=lambda config: CabinetFold(),
    live=live,
)
