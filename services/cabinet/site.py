"""The pages and the API of partners and distributors, as they plug into the web application."""

from __future__ import annotations

from postavka.web.database import Connection
from postavka.web.site import Site
from services.cabinet import drafts, preview
from services.cabinet.api.router import router as api
from services.cabinet.bulk import store as bulk_store
from services.cabinet.bulk.sending import COMMANDS as BULK
from services.cabinet.later import COMMANDS
from services.cabinet.pages import (
    answers_file,
    bulk,
    distributor,
    documents,
    export,
    live,
    new_request,
    partner,
    public,
    request,
    signing,
)
from services.cabinet.renewals import pages as renewals
from services.cabinet.renewals import report
from services.cabinet.renewals.renew import RENEW
from services.cabinet.table import CHANGES_CHANNEL, prepare


async def sweep(rows: Connection) -> None:
    """Remove what the cabinet has kept for long enough."""
    await bulk_store.sweep(rows)
    await preview.sweep(rows)
    await drafts.sweep(rows)


SITE = Site(
    "services.cabinet",
    (
        bulk.router,
        signing.router,
        new_request.router,
        export.router,
        partner.router,
        answers_file.router,
        distributor.router,
        public.router,
        live.router,
        request.router,
        documents.router,
        renewals.router,
        report.router,
        api,
    ),
    navigation=(
        *partner.NAVIGATION,
        *renewals.NAVIGATION,
        *report.NAVIGATION,
        *distributor.NAVIGATION,
        *signing.NAVIGATION,
    ),
    larger_bodies=signing.BODY_BYTES,
    prepare=prepare,
    ready="SELECT FROM cabinet.requests WHERE false",  # nobody sees any row: to look for one would read them all
    commands=(*COMMANDS, RENEW, *BULK, drafts.REMOVE),
    sweep=sweep,
    changes_channel=CHANGES_CHANNEL,
)
