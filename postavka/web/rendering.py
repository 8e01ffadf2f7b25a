"""Pages from templates, and how they show time, money and numbers."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from postavka.web import formats
from postavka.web.assets import Assets
from postavka.web.authorization import CSRF_FIELD
from postavka.web.navigation import Entry, entries_for
from postavka.web.visitor import visitor_of

OF_ONES_OWN = ("same-origin", "none")
"""`Sec-Fetch-Site` of a page that another page of ours or the reader's own typing leads to."""
THEMES = ("light", "dark")
"""Chosen by the switch and kept in a cookie; without one the system decides."""
SHOWN: Mapping[str, Callable[..., str]] = {
    each.__name__: each
    for each in (
        *(formats.money, formats.whole, formats.plural),
        *(formats.day, formats.at, formats.moment, formats.exact, formats.stamp, formats.iso),
    )
}
"""How templates show sums, numbers, days and moments."""


class Rendering:
    """The Jinja environment with everything templates may use.

    In every template: `principal` (or None), `navigation`, `csrf()` (a hidden field), `csrf_token` (for scripts),
    `static(name)`, `path`, `here` (path and query), `planned` (commands under way), `under_way` (what they are about),
    `just_sent` (what the last ones were about), `badges` (path of a section → how much waits there), `badges_path`
    (where a page asks for that again), `now`, `theme`, `support_email`; as functions and as filters alike what `SHOWN`
    names.
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
        self.environment.globals.update(static=assets.url, support_email=support_email, **SHOWN)
        self.environment.filters.update(SHOWN)

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
            here=_here(request),
            planned=visitor.planned,
            under_way={subject for each in visitor.planned if each.is_waiting for subject in each.subjects},
            just_sent={subject for each in visitor.planned if each.state == "sent" for subject in each.subjects},
            theme=theme if (theme := request.cookies.get("theme")) in THEMES else "",
            now=datetime.now(UTC),
            badges_path=visitor.badges_path,
            **{"badges": visitor.badges, **values},
        )


def _here(request: Request) -> str:
    if request.method != "GET":
        return "/planned"  # nobody can come back to what answers a form
    kept = urlencode([(name, value) for name, value in request.query_params.multi_items() if name != "done"])
    return request.url.path + (f"?{kept}" if kept else "")


def page(
    request: Request, template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """A page, or a part of one. It is compressed where no other site has led to it: whoever could make a reader open
    addresses of its choice would learn from the lengths of the answers what they have in common with them (BREACH)."""
    rendering: Rendering = request.app.state.web.rendering
    body, headers = rendering.html(request, template, **values).encode(), dict(headers or {})
    asked = request.headers
    if "gzip" in asked.get("accept-encoding", "") and asked.get("sec-fetch-site") in OF_ONES_OWN:
        body, headers["Content-Encoding"] = gzip.compress(body, 5, mtime=0), "gzip"
    return HTMLResponse(body, status, headers)
