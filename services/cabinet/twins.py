"""A second request for what is asked for already, or runs: its partner is warned before it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from postavka.web.formats import day
from services.cabinet.requests import ENDED, Filter, Requests, Row
from services.cabinet.view.form import Typed
from services.cabinet.words import STAGES

MOST_LOOKED_AT = 50
RUNNING = tuple(each for each in STAGES if each not in ENDED)


@dataclass(frozen=True, slots=True)
class Twin:
    """A request of the same partner for the same client, product and registration number. `words`: where it stands."""

    request_id: UUID
    words: str


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


async def twins(requests: Requests, typed: Typed, today: date) -> list[Twin]:
    """Those that are open, or whose service still runs; the newest first."""
    if not typed.registration_number:
        return []
    found = await requests.page(Filter(typed.registration_number, RUNNING), None, MOST_LOOKED_AT)
    return list(among(found.rows, typed, today))


def among(rows: Iterable[Row], typed: Typed, today: date) -> Iterable[Twin]:
    """The twins among these rows. What runs already is no twin of its renewal, but another renewal under way is."""
    wanted = (typed.registration_number, typed.product_id, typed.inn)
    for row in rows:
        asked = row.asked
        if wanted != (asked.get("registration_number"), asked.get("product_id"), asked.get("inn")):
            continue
        named = f"Уже есть заявка {row.name} от {day(row.submitted_at)}"
        until = row.activation.get("service_until")
        if until is None:
            yield Twin(row.request_id, f"{named}: {_lower(row.status_title)}.")
        elif not typed.renews and date.fromisoformat(until) >= today:
            yield Twin(row.request_id, f"{named}; сервис действует до {day(until)}.")
