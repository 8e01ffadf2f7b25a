"""The look of the timeline: a shape and a tone for each kind of moment, and names for who acted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.cabinet.timeline import Moment

_LOOKS: Mapping[str, tuple[str, str]] = {
    "submitted": ("send", "info"),
    "withdrawn": ("undo-2", "idle"),
    "approved": ("check", "good"),
    "rejected": ("triangle-alert", "bad"),
    "invoiced": ("scroll-text", "info"),
    "paid": ("russian-ruble", "good"),
    "confirmed": ("circle-check", "good"),
    "declined": ("ban", "bad"),
    "confirmation-refused": ("circle-x", "wait"),
    "permitted": ("key-round", "idle"),
    "document-issued": ("file-text", "idle"),
    "document-dispatched": ("mail", "info"),
    "document-signed": ("file-check", "good"),
    "signature-refused": ("circle-x", "bad"),
    "ordered": ("factory", "busy"),
    "withdrawal-refused": ("circle-x", "wait"),
    "shipped": ("package-check", "good"),
    "activation-refused": ("circle-x", "bad"),
    "activated": ("zap", "good"),
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry of the timeline, as the page shows it."""

    at: datetime
    what: str
    who: str
    icon: str
    tone: str
    points: tuple[str, ...]


def happenings(moments: Sequence[Moment], names: Mapping[str, str]) -> list[Happening]:
    """The timeline for a page; `names` are those of logins and distributors by the id that events bear. Reasons of a
    rejection stand above it."""
    return [
        Happening(
            each.at,
            each.title,
            names.get(each.who or "", each.who or ""),
            *_LOOKS.get(each.kind, ("circle", "idle")),
            (each.detail,) if each.detail else (),
        )
        for each in moments
    ]
