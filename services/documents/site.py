"""The page of the postal clerk."""

from __future__ import annotations

from postavka.web.site import Site
from services.documents.pages import NAVIGATION, router

SITE = Site("services.documents", (router,), NAVIGATION)
