"""The auditor's pages, and the note of who looked at what."""

from __future__ import annotations

from postavka.web.site import Site
from services.audit import export_page, state_pages
from services.audit.history.access_log import AccessLog
from services.audit.pages import NAVIGATION, router

SITE = Site("services.audit", (router, state_pages.router, export_page.router), NAVIGATION, middleware=(AccessLog,))
