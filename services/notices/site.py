"""Pages about e-mail that was sent."""

from __future__ import annotations

from postavka.web.site import Site
from services.notices.pages import NAVIGATION, router

SITE = Site("services.notices", (router,), NAVIGATION)
