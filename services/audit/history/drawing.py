"""A history as a page of its own: one HTML file with the timeline drawn, for a mail, an archive, a printer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from postavka.domain.wording import DOCUMENTS
from postavka.web import formats
from services.audit.history.history import EntryKind, History, HistoryEntry, as_json
from services.audit.history.titles import LANES, NOTES, TOLD, title_of

MOSCOW = ZoneInfo("Europe/Moscow")
ROW = 46  # as in static/timeline.css
"""Height of a row in pixels, in the drawing and beside it."""
HEAD = 90
"""Room for the lanes' names above them."""
LANE = 58
"""Width of a lane."""
GAP = timedelta(seconds=1)
"""A wait from this on is shown between two rows."""


@dataclass(frozen=True, slots=True)
class DrawnEntry:
    """An entry as it is drawn."""

    entry: HistoryEntry
    title: str
    told: str
    time: str
    day: str | None
    """Where a new day begins."""
    waited: str | None
    lane: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow from a cause to what followed."""

    path: str
    lane: str


def render_history(found: History, now: datetime | None = None) -> str:
    """The whole page of a history as one file; nothing is loaded from elsewhere."""
    return (
        _environment()
        .get_template("history_file.html")
        .render(
            **drawing(found),
            request=found.request,
            made=formats.at(now or datetime.now(UTC)),
            css=Markup(files("services.audit").joinpath("static/timeline.css").read_text("utf-8")),  # noqa: S704  (ours)
        )
    )


def drawing(found: History) -> dict[str, Any]:
    """What both the file and the page in the cabinet draw."""
    names = list(LANES)
    lines: list[DrawnEntry] = []
    before: HistoryEntry | None = None
    for entry in found.entries:
        lane = entry.stage if entry.kind is not EntryKind.INPUT and entry.stage in LANES else "input"
        at = _local(entry.time)
        new_day = before is None or _local(before.time).date() != at.date()
        waited = entry.time - before.time if before is not None else timedelta()
        lines.append(
            DrawnEntry(
                entry=entry,
                title=title_of(entry.type) if entry.kind is not EntryKind.DEAD_LETTER else "Не удалось разобрать",
                told=_told(entry),
                time=at.strftime("%H:%M:%S.%f")[:-3],
                day=formats.day(at) if new_day else None,
                waited=_duration(waited) if waited >= GAP else None,
                lane=lane,
                x=names.index(lane) * LANE + LANE // 2,
                y=len(lines) * ROW + ROW // 2,
            )
        )
        before = entry
    arrows = [
        Arrow(_curve(lines[line.entry.cause - 1], line), line.lane)
        for line in lines
        if line.entry.cause is not None and line.entry.cause < line.entry.number
    ]
    return {
        "lines": lines,
        "arrows": arrows,
        "lanes": [(name, title, place * LANE + LANE // 2) for place, (name, title) in enumerate(LANES.items())],
        "width": LANE * len(LANES),
        "height": ROW * len(lines),
        "head": HEAD,
        "took": _duration(lines[-1].entry.time - lines[0].entry.time) if lines else None,
        "record": _record,
        "notes": NOTES,
    }


def _told(entry: HistoryEntry) -> str:
    fields = entry.fields
    if entry.kind is EntryKind.DEAD_LETTER:
        return f"{fields['code']}: {fields['reason']}"
    told = [_value(name, fields[name]) for name in TOLD if fields.get(name) not in (None, "")]
    reasons = fields.get("reasons") or ([fields["reason"]] if isinstance(fields.get("reason"), dict) else [])
    told += [reason["message"] for reason in reasons if isinstance(reason, dict) and "message" in reason]
    for name in ("product", "kit", "client"):
        if isinstance(fields.get(name), dict):
            told.append(str(fields[name].get("name") or fields[name].get("number")))
            break
    return ", ".join(told)


def _value(name: str, value: Any) -> str:
    if name == "accepted":
        return "готов оплатить" if value else "не готов оплатить"
    if name in ("amount", "due"):
        return f"{'к оплате ' if name == 'due' else ''}{formats.money(str(value))}"
    if name == "service_until":
        return f"до {formats.day(str(value))}"
    if name in ("number", "invoice_number"):
        return f"№ {value}"
    return WORDS.get(str(value), str(value))


WITH_CODE = frozenset(("ActivateDelivery", "ActivationHeld", "DeliveryRegistered"))
HIDDEN = "•••"
WORDS = {
    **{kind: name.lower() for kind, name in DOCUMENTS.items()},
    "confirmation": "по подтверждению",
    "payment": "по оплате",
}


def _curve(cause: DrawnEntry, effect: DrawnEntry) -> str:
    """The curve from under the cause's dot to above the effect's; a loop to the left within a lane unless they are
    neighbours."""
    if cause.x == effect.x:
        if effect.y - cause.y <= ROW:
            return f"M{cause.x} {cause.y + 6}L{effect.x} {effect.y - 8}"
        bend = cause.x - 22
        return (
            f"M{cause.x - 5} {cause.y + 3}C{bend} {cause.y + 20} {bend} {effect.y - 20} {effect.x - 6} {effect.y - 5}"
        )
    side = 7 if effect.x > cause.x else -7
    middle = min(ROW, (effect.y - cause.y) / 1.5)
    return (
        f"M{cause.x} {cause.y + 6}C{cause.x} {cause.y + middle:.0f} "
        f"{effect.x - side * 4} {effect.y} {effect.x - side} {effect.y}"
    )


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} мс"
    if seconds < 60:
        return f"{seconds:.1f} с".replace(".", ",")
    days, rest = divmod(int(seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    parts = [(days, "д"), (hours, "ч"), (rest // 60, "мин")]
    if not days and not hours:
        parts.append((rest % 60, "с"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _record(entry: HistoryEntry) -> str:
    said = as_json(entry) | {"fields": without_code(entry.type, entry.fields)}
    return orjson.dumps(said, option=orjson.OPT_INDENT_2, default=str).decode()


def without_code(type_name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without the code that a user activates with: it is no auditor's business, and would let one
    activate."""
    shown = dict(fields)
    if type_name.partition(".")[0] in WITH_CODE and shown.get("code"):
        shown["code"] = HIDDEN
    if isinstance(shown.get("kit"), dict):
        shown["kit"] = {**shown["kit"], "code": HIDDEN}
    return shown


def _local(moment: datetime) -> datetime:
    return moment.astimezone(MOSCOW)


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("services.audit"), autoescape=True, undefined=StrictUndefined)
