"""The cabinet, for those who build it anew (`postavka.projection.rebuild`)."""

from __future__ import annotations

from postavka.projection.model import ReadModel
from services.cabinet.folded import Folded
from services.cabinet.projection import Cabinet
from services.cabinet.table import SCHEMA, TOPICS, prepare

MODEL = ReadModel(
    address="services.cabinet.rebuild:MODEL",
    schema=SCHEMA,
    tables={"requests": (), "marks": (), "unread": ()},
    topics=lambda config: TOPICS,
    prepare=prepare,
    fold=lambda config: Folded(),
    live=lambda config, schema, marks: Cabinet(config, schema),
)
