"""Pages from templates, and how they show time, money and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

from babel.dates import format_date, format_datetime
from fastapi import Request
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from postavka.domain.calendar import MOSCOW
from postavka.web import formats
from postavka.web.assets import Assets
from postavka.web.authorization import CSRF_FIELD
from postavka.web.navigation import Entry, entries_for
from postavka.web.visitor import visitor_of

NBSP = "\N{NO-BREAK SPACE}"
THEMES = ("light", "dark")
"""Chosen by the switch and kept in a cookie; without one the system decides."""


class Rendering:
    """The Jinja environment with everything templates may use.

    In every template: `principal` (or None), `navigation`, `csrf()` (a hidden field), `csrf_token` (for scripts),
    `static(name)`, `path`, `now`, `theme`, `support_email`; functions `money`, `day`, `moment`, `exact`, `plural` of
    `view.formats`; filters `moscow`, `day`, `iso`, `roubles`, `number`, `plural`.
    """

    def __init__(
        self, packages: Iterable[str], assets: Assets, navigation: Iterable[Entry], support_email: str = ""
    ) -> None:
        with_templates = [each for each in packages if (files(each) / "templates").is_dir()]
        self._navigation = tuple(navigation)
        self.environment = Environment(
            loader=ChoiceLoader([PackageLoader(each, "templates") for each in with_templates]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
        )
        self.environment.globals.update(
            static=assets.url,
            money=formats.money,
            day=formats.day,
            moment=formats.moment,
            exact=formats.exact,
            plural=formats.plural,
            support_email=support_email,
        )
        self.environment.filters.update(moscow=moscow, day=day, iso=iso, roubles=roubles, number=number, plural=plural)

    def html(self, request: Request, template: str, **values: Any) -> str:
        """The text of a page or of a part of one."""
        visitor = visitor_of(request)
        token = visitor.csrf_token()
        field = Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, token)
        return self.environment.get_template(template).render(
            principal=visitor.principal,
            navigation=entries_for(self._navigation, visitor.principal, request.url.path),
            csrf=lambda: field,
            csrf_token=token,
            path=request.url.path,
            theme=theme if (theme := request.cookies.get("theme")) in THEMES else "",
            now=datetime.now(UTC),
            **values,
        )


def page(
    request: Request, template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """A page, or a part of one for htmx."""
    rendering: Rendering = request.app.state.web.rendering
    return HTMLResponse(rendering.html(request, template, **values), status, headers)


def moscow(moment: datetime | str | None, seconds: bool = False) -> str:
    """Moscow time as people write it: 16 марта 2026, 12:30. Takes an RFC 3339 string as well."""
    if moment is None:
        return "—"
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    pattern = "d MMMM y, HH:mm:ss" if seconds else "d MMMM y, HH:mm"
    return format_datetime(moment, pattern, tzinfo=MOSCOW, locale="ru").replace(" ", NBSP, 1)


def day(value: date | str | None, short: bool = False) -> str:
    """A day: 16 марта 2026, or 16.03.2026."""
    if value is None:
        return "—"
    if isinstance(value, str):
        value = date.fromisoformat(value[:10])
    if isinstance(value, datetime):
        value = value.astimezone(MOSCOW).date()
    return format_date(value, "dd.MM.y" if short else "d MMMM y", locale="ru")


def iso(moment: datetime | date | str) -> str:
    """For `<time datetime=…>`: HTML takes no more than three digits of a second, so that it is told to the second."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.isoformat(timespec="seconds") if isinstance(moment, datetime) else moment.isoformat()


def roubles(amount: Decimal | str | int | None, kopecks: bool = True) -> str:
    """20 160,00 ₽"""
    if amount is None:
        return "—"
    exact = Decimal(amount)
    if not kopecks and exact == exact.to_integral_value():
        return f"{number(int(exact))}{NBSP}₽"
    whole, _, rest = f"{exact:.2f}".partition(".")
    return f"{number(int(whole))},{rest}{NBSP}₽"


def number(value: int) -> str:
    """With thin gaps between thousands: 100 000."""
    return f"{value:,}".replace(",", NBSP)


def plural(count: int, one: str, few: str, many: str, with_number: bool = True) -> str:
    """1 заявка, 2 заявки, 5 заявок."""
    tens, ones = count % 100, count % 10
    word = many if 11 <= tens <= 14 else one if ones == 1 else few if 2 <= ones <= 4 else many
    return f"{number(count)}{NBSP}{word}" if with_number else word
