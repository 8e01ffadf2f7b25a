"""The ends of services as a calendar to subscribe to (iCalendar, RFC 5545). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from services.cabinet.renewals.ending import Ending
from services.cabinet.view.lines import product_of

MEDIA_TYPE = "text/calendar; charset=utf-8"
LONGEST_LINE = 75
"""Octets of a line; a longer one goes on behind a blank (section 3.1)."""


def calendar(services: Iterable[Ending], site: str, now: datetime) -> bytes:
    """One entry a service, on its last day. `site` is the beginning of our addresses."""
    return b"".join(map(_folded, _lines(services, site, now)))


def _lines(services: Iterable[Ending], site: str, now: datetime) -> Iterator[str]:
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Postavka//Renewals//RU", "METHOD:PUBLISH")
    yield from (f"X-WR-CALNAME:{_text('Поставка: сервисы истекают')}", "REFRESH-INTERVAL;VALUE=DURATION:PT12H")
    for each in services:
        row, last = each.row, each.last_day
        under_way = ". Продление уже заказано" if each.renewal else ""
        registration = row.approval.get("registration_number") or row.asked.get("registration_number") or ""
        yield "BEGIN:VEVENT"
        yield f"UID:{row.request_id}@postavka"
        yield f"DTSTAMP:{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        yield f"DTSTART;VALUE=DATE:{last:%Y%m%d}"
        yield f"DTEND;VALUE=DATE:{last + timedelta(days=1):%Y%m%d}"
        yield f"SUMMARY:{_text(f'Последний день сервиса: {row.buyer or registration}')}"
        yield f"DESCRIPTION:{_text(f'{product_of(row)}, рег. № {registration}{under_way}')}"
        yield f"URL:{site}/requests/{row.request_id}"
        yield "TRANSP:TRANSPARENT"
        yield "END:VEVENT"
    yield "END:VCALENDAR"


def _text(value: str) -> str:
    """A value of the type TEXT (section 3.3.11); of control characters a line break alone is allowed."""
    escaped = value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    lines = escaped.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\\n".join("".join(each for each in line if each >= " " and each != "\x7f") for line in lines)


def _folded(line: str) -> bytes:
    """The line in UTF-8, in pieces that end between characters."""
    pieces, piece = [], b""
    for character in line:
        added = character.encode()
        if len(piece) + len(added) > LONGEST_LINE:
            pieces.append(piece)
            piece = b" "
        piece += added
    return b"\r\n".join((*pieces, piece)) + b"\r\n"
