"""The feed's part of the web application. Its calls are part of the API (`services.cabinet.api.router`)."""

from __future__ import annotations

from postavka.web.site import Site
from services.feed.projection import CHANGES_CHANNEL, prepare

SITE = Site(
    "services.feed",
    prepare=prepare,
    ready="SELECT FROM feed.events WHERE false",
    changes_channel=CHANGES_CHANNEL,
)
