"""Pages and calls of operations."""

from __future__ import annotations

from postavka.web.site import Site
from services.ops import api
from services.ops.later import COMMANDS
from services.ops.pages import clients, dead_letters, home, lapsed, records, request, services, stream, waiting
from services.ops.pages.badges import Badges
from services.ops.pages.frame import NAVIGATION

SITE = Site(
    "services.ops",
    (
        *(home.router, waiting.router, clients.router, lapsed.router, stream.router, records.router, request.router),
        *(services.router, dead_letters.router, api.router),
    ),
    NAVIGATION,
    middleware=(Badges,),
    commands=COMMANDS,
)
