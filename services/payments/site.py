"""Pages about money."""

from __future__ import annotations

from postavka.web.site import Site
from services.payments import balance, queue_files
from services.payments.later import COMMANDS
from services.payments.pages import BODY_BYTES, NAVIGATION, router

SITE = Site(
    "services.payments",
    (router, queue_files.router, balance.router),
    (*NAVIGATION, *balance.NAVIGATION),
    larger_bodies=BODY_BYTES,
    commands=COMMANDS,
)
