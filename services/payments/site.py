"""Pages about money."""

from __future__ import annotations

from postavka.web.site import Site
from services.payments import balance
from services.payments.later import COMMANDS
from services.payments.pages import BODY_BYTES, NAVIGATION, router

SITE = Site(
    "services.payments",
    (router, balance.router),
    (*NAVIGATION, *balance.NAVIGATION),
    larger_bodies=BODY_BYTES,
    commands=COMMANDS,
)
