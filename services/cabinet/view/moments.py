"""The look of the timeline: a shape and a tone for each kind of moment, and names for who acted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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


AT_ONCE = timedelta(minutes=1)
"""A document that is sent so soon after it was drawn up is one line."""


def happenings(moments: Sequence[Moment], names: Mapping[str, str]) -> list[Happening]:
    """The timeline for a page; `names` are those of logins and distributors by the id that events bear. Reasons of a
    rejection stand above it. A document's long number is a point, and not in the line itself."""
    told = []
    for each in moments:
        if each.kind == "document-issued" and any(_sends_at_once(other, each) for other in moments):
            continue
        is_drawn_up_too = each.kind == "document-dispatched" and any(_sends_at_once(each, other) for other in moments)
        what, *points = _what(each, "составлен и отправлен" if is_drawn_up_too else "")
        look = _LOOKS.get(each.kind, ("circle", "idle"))
        points += [each.detail] if each.detail else []
        told.append(Happening(each.at, what, names.get(each.who or "", each.who or ""), *look, tuple(points)))
    return told


def _sends_at_once(sent: Moment, drawn_up: Moment) -> bool:
    return (
        (sent.kind, drawn_up.kind) == ("document-dispatched", "document-issued")
        and sent.document_id == drawn_up.document_id
        and sent.at - drawn_up.at < AT_ONCE
    )


def _what(moment: Moment, verb: str) -> tuple[str, ...]:
    name, sign, rest = moment.title.partition(" № ")
    if moment.document_id is None or not sign:
        return (moment.title,)
    number, _, said = rest.rpartition(": ")
    return f"{name}: {verb or said}", f"№ {number}"
