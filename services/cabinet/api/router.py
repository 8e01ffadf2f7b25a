"""`/api/v1`: everything that partners, distributors and users can do, for programs (and for our own pages).

Errors are `application/problem+json`. Calls that change something take an `Idempotency-Key`. Lists are paged by cursor.
What is sent goes to Kafka and is answered with 202 as soon as the broker has it; what comes of it is told by the
request's timeline, or at once by its event stream.
"""

from __future__ import annotations

from fastapi import APIRouter

from services.cabinet.api import (
    bulk,
    confirmations,
    documents,
    lists,
    meta,
    planned,
    public,
    renewals,
    requests,
    signing,
)
from services.feed import api as feed
from services.webhooks import api as webhooks

router = APIRouter(prefix="/api/v1")
for part in (meta, requests, renewals, bulk, confirmations, planned, documents, signing, lists, feed, webhooks, public):
    router.include_router(part.router)
