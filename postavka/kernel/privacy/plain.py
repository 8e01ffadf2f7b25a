"""Personal data that lies on the log in the clear: an outside sender wrote it, or it is older than the encryption. It
can't be erased; who knows of it can stop the sender."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from events.envelope import header_map
from events.personal import is_encrypted, personal_fields
from events.registry import BadBody, UnknownType, decode
from events.topics import INPUT_TOPICS, STAGE_TOPICS, Topic
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.settings import PARTITIONS, Settings


@dataclass(frozen=True, slots=True)
class Plain:
    """A record with personal data that anybody can read. The values themselves are not shown."""

    record: str
    type: str
    source: str
    fields: tuple[str, ...]


def find_plain(config: Settings) -> Iterator[Plain]:
    """Look through every topic on which a message with personal data may lie."""
    topics = [topic for topic in (*STAGE_TOPICS, *INPUT_TOPICS) if "{" not in topic.name and _may_have(topic)]
    places = {(topic.name, number): 0 for topic in topics for number in range(PARTITIONS)}
    for batch in read_records(config, places):
        for record in batch:
            found = _plain(record)
            if found is not None:
                yield found


def _may_have(topic: Topic) -> bool:
    return any(_models_with_personal(message) for message in topic.carries)


def _models_with_personal(model: type[BaseModel]) -> bool:
    if personal_fields(model):
        return True
    parts = (field.annotation for field in model.model_fields.values())
    return any(isinstance(part, type) and issubclass(part, BaseModel) and _models_with_personal(part) for part in parts)


def _plain(record: Record) -> Plain | None:
    headers = header_map(record.headers)
    kind = headers.get("ce_type", b"").decode("utf-8", "replace")
    try:
        message = decode(kind, record.value)
    except (BadBody, UnknownType):
        return None
    fields = tuple(_readable(message, ""))
    source = headers.get("ce_source", b"?").decode("utf-8", "replace")
    return Plain(record.coordinates, kind, source, fields) if fields else None


def _readable(part: BaseModel, prefix: str) -> Iterator[str]:
    for name, _ in personal_fields(type(part)):
        value = getattr(part, name)
        if value and not is_encrypted(value):
            yield prefix + name
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from _readable(value, f"{prefix}{name}.")
