"""What people have put into the fields of forms and addresses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from postavka.domain.calendar import MOSCOW


def id_in(text: object) -> UUID | None:
    """The id in a field; None where it has none."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def ids_in(texts: Iterable[object]) -> list[UUID]:
    """The ids in several fields, each once, in their order; what is none is left out."""
    return list(dict.fromkeys(filter(None, map(id_in, texts))))


def moment_in(text: str) -> datetime | None:
    """The moment in a `datetime-local` field, Moscow time, as UTC; None for nothing, or nonsense."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=MOSCOW)).astimezone(UTC)
    except (ValueError, OverflowError):  # the first hours of year 1 are not in any other zone
        return None


def moment_field(moment: datetime) -> str:
    """A moment for a `datetime-local` field."""
    return moment.astimezone(MOSCOW).strftime("%Y-%m-%dT%H:%M")
