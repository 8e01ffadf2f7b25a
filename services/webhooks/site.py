"""Pages of webhooks. Their calls are part of the API (`services.cabinet.api.router`)."""

from __future__ import annotations

from postavka.web.site import Site
from services.webhooks.pages import NAVIGATION, router
from services.webhooks.webhooks import prepare

SITE = Site(
    "services.webhooks",
    (router,),
    navigation=NAVIGATION,
    prepare=prepare,
    ready="SELECT FROM webhooks.webhooks WHERE false",
)
