"""`python -m services.webhooks`: delivers events to the addresses that tenants have named."""

from __future__ import annotations

from postavka.kernel.process.service import run_service
from services.webhooks.delivery import WebhookDelivery
from services.webhooks.webhooks import SCHEMA

if __name__ == "__main__":
    run_service(SCHEMA, WebhookDelivery)
