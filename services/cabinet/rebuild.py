"""The cabinet, for those who build it anew (`postavka.kernel.projection.rebuild`)."""

from __future__ import annotations

from collections.abc import Mapping

from postavka.kernel.projection.read_model import CatchingUp, ReadModel
from postavka.kernel.settings import Settings
from postavka.kernel.store.checkpoint import Checkpoint
from services.cabinet.folded import CabinetFold
from services.cabinet.table import SCHEMA, TOPICS, prepare


def live(config: Settings, schema: str, marks: Mapping[str, Checkpoint]) -> CatchingUp:
    """The projection that catches up with a rebuild. It is imported here: the processes that fold do without it, and
    their start is a tenth of the time."""
    from services.cabinet.projection import Cabinet

    return Cabinet(config, schema)


MODEL = ReadModel(
    address="services.cabinet.rebuild:MODEL",
    schema=SCHEMA,
    tables={"requests": (), "marks": (), "unread": ()},
    topics=lambda config: TOPICS,
    prepare=prepare,
    fold=lambda config: CabinetFold(),
    live=live,
)
