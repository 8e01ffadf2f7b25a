"""Pages and calls of operations."""

from __future__ import annotations

from postavka.web.site import Site
from services.ops import api, pages

SITE = Site("services.ops", (pages.router, api.router), pages.NAVIGATION)
