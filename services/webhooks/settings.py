"""Settings of the webhooks: `POSTAVKA_WEBHOOK_NETWORKS=["10.7.0.0/16"]` …"""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Network, IPv6Network

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

LADDER = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)


class WebhookSettings(BaseSettings):
    """Read once a process; frozen."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_WEBHOOK_", env_file=".env", extra="ignore", frozen=True)

    networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="networks of ours that webhooks may reach, also by http; as JSON. All others must be public"
    )
    seconds: float = Field(10.0, gt=0, description="for one delivery, from the name's address to the answer")
    ladder: tuple[int, ...] = Field(
        LADDER, description="seconds between two tries of a delivery, as JSON: ten tries within three days"
    )
    off_after_seconds: float = Field(
        259_200, gt=0, description="a webhook that has failed for so long without a success between is switched off"
    )
    overlap_seconds: float = Field(86_400, ge=0, description="after a change of the secret both sign for so long")
    log_days: int = Field(90, ge=1, description="so long the log of deliveries is kept")


@cache
def webhook_settings() -> WebhookSettings:
    """The settings of this process."""
    return WebhookSettings()
