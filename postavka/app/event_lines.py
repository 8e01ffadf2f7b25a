"""Events on a terminal: a line each."""

from __future__ import annotations

from typing import Any

import orjson
from rich.markup import escape

from events.envelope import Envelope
from postavka.domain.calendar import MOSCOW
from postavka.domain.wording import STAGE_COLOURS
from postavka.kernel.console import console
from postavka.kernel.id_beginning import beginning
from postavka.kernel.log.record import Record

TOLD = ("number", "invoice_number", "confirmation_id", "amount", "due", "kind", "basis", "distributor_id")
"""Fields worth a word beside the type, in this order."""


def print_event(record: Record, envelope: Envelope) -> None:
    """Print one event on one line."""
    time = envelope.time.astimezone(MOSCOW).strftime("%H:%M:%S.%f")[:-3]
    stage = envelope.source.rpartition("/")[2]
    line = event_line(stage, envelope.type, orjson.loads(record.value or b"{}"))
    console.print(f"[dim]{time}[/] [dim]{beginning(envelope.subject)}[/] {line}", highlight=False, soft_wrap=True)


def event_line(stage: str, type_name: str, body: dict[str, Any]) -> str:
    """What an event says, with the markup of a terminal."""
    name, _, version = type_name.rpartition(".")
    colour = STAGE_COLOURS.get(stage, "white")
    return f"[{colour}]{stage:<10}[/] [bold]{name}[/][dim].{version}[/] {escape(_words(body))}"


def reasons_of(body: dict[str, Any]) -> list[str]:
    """Why an event says no, if it does."""
    reasons = body.get("reasons") or ([body["reason"]] if isinstance(body.get("reason"), dict) else [])
    return [reason["message"] for reason in reasons]


def _words(body: dict[str, Any]) -> str:
    parts = [f"{name} {body[name]}" for name in TOLD if body.get(name) is not None]
    if kit := body.get("kit"):
        parts.append(f"kit {kit['number']}")
    if product := body.get("product"):
        parts.append(str(product["name"]))
    return ", ".join(parts) + "".join(f"\n             • {reason}" for reason in reasons_of(body))
