"""Events on a terminal: a line each, a cause before its effects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from events.envelope import Envelope, EnvelopeError
from postavka.domain.calendar import MOSCOW
from postavka.domain.wording import STAGE_COLOURS
from postavka.kernel.console import console
from postavka.kernel.log.record import Record

TOLD = ("number", "invoice_number", "confirmation_id", "amount", "due", "kind", "basis", "distributor_id")
"""Fields worth a word beside the type, in this order."""


def in_causal_order(batch: Iterable[Record]) -> list[tuple[Record, Envelope]]:
    """Records of several topics, a cause before its effects; without those that are no events."""
    read = []
    for record in batch:
        try:
            read.append((record, Envelope.read(record.headers)))
        except EnvelopeError:
            continue
    return sorted(read, key=lambda pair: pair[1].clock)


def print_event(record: Record, envelope: Envelope) -> None:
    """Print one event on one line."""
    stage = envelope.source.rpartition("/")[2]
    time = envelope.time.astimezone(MOSCOW).strftime("%H:%M:%S.%f")[:-3]
    name, _, version = envelope.type.rpartition(".")
    console.print(
        f"[dim]{time}[/] [dim]{envelope.subject[:8]}[/] [{STAGE_COLOURS.get(stage, 'white')}]{stage:<10}[/] "
        f"[bold]{name}[/][dim].{version}[/] {_words(orjson.loads(record.value or b'{}'))}",
        highlight=False,
        soft_wrap=True,
    )


def _words(body: dict[str, Any]) -> str:
    parts = [f"{name} {body[name]}" for name in TOLD if body.get(name) is not None]
    reasons = body.get("reasons") or ([body["reason"]] if isinstance(body.get("reason"), dict) else [])
    parts += [f"\n             • {reason['message']}" for reason in reasons]
    if kit := body.get("kit"):
        parts.append(f"kit {kit['number']}")
    if product := body.get("product"):
        parts.append(str(product["name"]))
    return ", ".join(parts[: len(parts) - len(reasons)]) + "".join(parts[len(parts) - len(reasons) :])
