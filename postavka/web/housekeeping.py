"""Removes what has expired: sessions, known browsers, answers kept for `Idempotency-Key`, plans that are over, and what
each service says (`Site.sweep`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
from psycopg_pool import PoolTimeout

from postavka.kernel.process.logs import logger
from postavka.kernel.store.queries import load_queries
from postavka.web.database import Database
from postavka.web.idempotency import KEEP
from postavka.web.identity import sessions
from postavka.web.identity.sessions import Lifetimes
from postavka.web.planned import store as planned
from postavka.web.site import Site

QUERIES = load_queries("postavka.web")

log = logger(__name__)
EVERY_SECONDS = 3_600.0


async def keep_house(database: Database, lifetimes: Lifetimes, sites: Sequence[Site]) -> None:
    """Remove what has expired, once an hour, for ever. Several processes do it side by side without harm."""
    while True:
        try:
            await sweep(database, lifetimes, sites)
        except (psycopg.Error, PoolTimeout) as away:
            log.warning("not swept", error=str(away)[:200])
        await asyncio.sleep(EVERY_SECONDS)


async def sweep(database: Database, lifetimes: Lifetimes, sites: Sequence[Site]) -> None:
    """Remove what has expired, once."""
    async with database.accounts() as rows:
        ended = await sessions.sweep(rows, lifetimes)
        answers = await rows.execute(QUERIES.expire_answers, (KEEP,))
        await planned.sweep(rows)
        for site in sites:
            if site.sweep is not None:
                await site.sweep(rows)
    if ended or answers.rowcount:
        log.info("swept", sessions=ended, answers=answers.rowcount)
