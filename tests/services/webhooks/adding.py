"""A webhook as the pages and the API add one."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg

from postavka.kernel.settings import Settings, database_url
from services.webhooks.signing import new_secret
from services.webhooks.webhooks import secret_box


def add_webhook(config: Settings, partner: str, url: str, types: tuple[str, ...] = ()) -> tuple[UUID, str]:
    """One of a partner's that begins with the first event of all; its id and its secret."""
    webhook_id, secret = uuid4(), new_secret()
    with psycopg.connect(database_url(config)) as connection:
        connection.execute(
            "INSERT INTO webhooks.webhooks (webhook_id, partner_id, url, types, secrets, number, created_by) "
            "VALUES (%s, %s, %s, %s, %s, 0, 'test')",
            (webhook_id, partner, url, list(types), [secret_box(config).seal(webhook_id, secret)]),
        )
    return webhook_id, secret
