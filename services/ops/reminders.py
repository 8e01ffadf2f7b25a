"""Ask whoever must act to do so. The act is an event; the notices send it on."""

from __future__ import annotations

from events.ops import Awaited, ReminderRequested
from postavka.kernel.errors import UserError
from postavka.kernel.store.queries import load_queries
from services.ops.queues import WaitingRequest
from services.ops.store import acting, record

QUERIES = load_queries("services.ops")

AGAIN_HOURS = 4
"""The same reminder is not sent twice within so many hours."""
DEPARTMENT = "manufacturing"


class NobodyToRemind(UserError):
    """Nobody can be reminded, since we are who has to act: there is nobody to remind."""


class JustReminded(UserError):
    """The same was asked for a short while ago."""


def awaited(item: WaitingRequest) -> tuple[Awaited, str]:
    """Who must act, and its id. Raises `NobodyToRemind`."""
    partner, distributor = item.partner_id or "", item.distributor_id
    match item.waits_for:
        case "confirmation" if distributor:
            return Awaited.DISTRIBUTOR, distributor
        case "signature" if distributor:
            return Awaited.DISTRIBUTOR, distributor
        case "payment" | "activation" | "signature":
            return Awaited.PARTNER, partner
        case "kit":
            return Awaited.DEPARTMENT, DEPARTMENT
        case _:
            raise NobodyToRemind(f"{item.waits_for} of {item.request_id} is ours to do: look at the service")


def remind(conninfo: str, item: WaitingRequest, by: str, note: str | None = None) -> ReminderRequested:
    """Write the reminder down. Raises `NobodyToRemind`, `JustReminded`."""
    who, whom = awaited(item)
    event = ReminderRequested(awaited=who, awaited_id=whom, waits_for=item.waits_for, requested_by=by, note=note)
    with acting(conninfo) as act:
        last = act.execute(
            QUERIES.last_reminder, (item.request_id, ReminderRequested.TYPE, AGAIN_HOURS, item.waits_for)
        ).fetchone()
        if last is not None:
            raise JustReminded(f"{whom} was reminded at {last[0]:%H:%M} UTC; again after {AGAIN_HOURS} h")
        record(act, [(item.request_id, event, None)])
    return event
