"""The limits for how long each step may take before operations hear of it. Seconds;
`POSTAVKA_LIMIT_CONFIRMATION=172800` …"""

from __future__ import annotations

from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

DAY = 86_400.0


class OpsSettings(BaseSettings):
    """Limits of waiting, in seconds, by what is waited for."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_", env_file=".env", extra="ignore", frozen=True)

    limit_approval: float = Field(60.0, gt=0, description="from the request to its approval (L13)")
    limit_confirmation: float = Field(3 * DAY, gt=0, description="from the approval to the distributor's word (L17)")
    limit_payment: float = Field(5 * DAY, gt=0, description="from the invoice to its full payment (L15, L17)")
    limit_order: float = Field(60.0, gt=0, description="from the word or the money to the manufacturing order (L17)")
    limit_kit: float = Field(3_600.0, gt=0, description="from the order to the kit (L17, L18)")
    limit_signature: float = Field(10 * DAY, gt=0, description="from a document to its signature (L16)")
    limit_activation: float = Field(30 * DAY, gt=0, description="from the delivery to its activation (L19)")

    corrections_by_one: bool = Field(
        False,
        description="one operator alone: corrections that open the gate or move money need no second person; their "
        "history shows it",
    )

    trace_url: str | None = Field(
        None, description="where a trace can be looked at: https://tempo.example/trace/{trace_id}"
    )

    def limit(self, waits_for: str) -> float:
        """The limit of one kind of waiting, by its name in `services.ops.queues.KINDS`."""
        seconds: float = getattr(self, f"limit_{waits_for}")
        return seconds


@cache
def ops_settings() -> OpsSettings:
    """The settings of this process, read once."""
    return OpsSettings()
