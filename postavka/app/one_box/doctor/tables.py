"""What is in PostgreSQL: schemas, dead letters, webhooks, accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from events.topics import STAGE_TOPICS
from postavka.app.migrations import migration_sets
from postavka.app.one_box.doctor.check import Check, listed
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.migration import pending
from postavka.web.identity.sample import with_known_password
from postavka.web.settings import WebSettings, is_public
from services.webhooks.webhooks import QUERIES

BEHIND_SECONDS = 300
"""As of the alert PostavkaWebhooksBehind."""
STAGES = tuple(topic.writer for topic in STAGE_TOPICS)


def pending_migrations(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """The SQL files that have not run, by schema."""
    return {schema: pending(connection, schema, *sets) for schema, sets in migration_sets().items()}


def check_schemas(missing: Mapping[str, Sequence[str]]) -> Check:
    """Is every schema up to date? `missing`: schema → SQL files that have not run in this form."""
    behind = [f"{schema} ({', '.join(files)})" for schema, files in missing.items() if files]
    if behind:
        todo = "postavka migrate"
        return Check("schemas", "wrong", f"not up to date: {listed(behind)}", todo)
    return Check("schemas", "ok", f"{len(missing)}, up to date")


def _exists(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    return bool(row and row[0])


def waiting_letters(connection: psycopg.Connection[Any]) -> tuple[dict[str, int], int]:
    """Dead letters that nobody has settled, by stage; records that the cabinet could not read."""
    letters: dict[str, int] = {}
    for stage in STAGES:
        if _exists(connection, f"{stage}.dead_letters"):
            query = SQL("SELECT count(*) FROM {}.dead_letters WHERE status <> 'done'").format(Identifier(stage))
            row = connection.execute(query).fetchone()
            letters[stage] = int(row[0]) if row else 0
    unread = 0
    if _exists(connection, "cabinet.unread"):
        row = connection.execute("SELECT count(*) FROM cabinet.unread").fetchone()
        unread = int(row[0]) if row else 0
    return letters, unread


def check_dead_letters(letters: Mapping[str, int], unread: int) -> Check:
    """Does a record wait for somebody? `letters`: stage → open ones; `unread`: records the cabinet couldn't read."""
    waiting = [f"{stage} {count}" for stage, count in letters.items() if count]
    if waiting:
        todo = "postavka dead-letters list; when the cause is gone: postavka dead-letters retry STAGE/all"
        return Check("dead letters", "wrong", f"waiting: {listed(waiting)}", todo)
    if unread:
        todo = "see the table cabinet.unread; with a release that can read them: postavka rebuild cabinet"
        return Check("dead letters", "wrong", f"the cabinet could not read {unread} records", todo)
    return Check("dead letters", "ok", "none wait")


def ask_webhooks(connection: psycopg.Connection[Any]) -> Check:
    """The check of what waits to be posted."""
    row = connection.execute(QUERIES.measure).fetchone() if _exists(connection, "webhooks.deliveries") else None
    return check_webhooks(*(row or (0, 0, 0)))


def check_webhooks(due: int, oldest: float, failing: int) -> Check:
    """Are events posted? `due`: those that wait; `oldest`: seconds for which one waits for its first try; `failing`:
    webhooks whose receivers take nothing, which is their owners' affair."""
    found = f"{due} events wait, receivers of {failing} webhooks take none"
    if oldest > BEHIND_SECONDS:
        todo = "is the service `webhooks` there? docs/runbooks/webhooks-behind.md"
        return Check("webhooks", "wrong", f"{found}; one was not tried for {oldest:.0f} s", todo)
    return Check("webhooks", "ok", found)


def ask_sample_accounts(config: Settings) -> Check:
    """The check of the accounts that PostgreSQL has."""
    known = asyncio.run(with_known_password(database_url(config)))
    return check_sample_accounts(known, is_public(WebSettings(), config.http_host))


def check_sample_accounts(known: Sequence[str], public: bool) -> Check:
    """Can anybody sign in with the password that the demo prints? `public`: others than this machine reach it."""
    name = "sample accounts"
    if not known:
        return Check(name, "ok", "nobody has the demo's password")
    found = f"{len(known)} accounts have the demo's password: {', '.join(known[:10])}"
    if not public:
        return Check(name, "ok", f"{found}; the pages are for this machine alone")
    return Check(name, "wrong", found, "`postavka user disable` each, or `postavka user password`")
