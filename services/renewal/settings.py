"""Settings of the reminders: `POSTAVKA_REMINDER_LADDER=[60,30,14,7,1]` …"""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Days = Annotated[int, Field(ge=1, le=3_660)]


class RenewalSettings(BaseSettings):
    """Read once a process; frozen."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_", env_file=".env", extra="ignore", frozen=True)

    reminder_ladder: tuple[Days, ...] = Field(
        (60, 30, 14, 7, 1), description="days before the end of a service at which its user is reminded, as JSON"
    )
    timer_seconds: float = Field(10.0, gt=0, description="between two looks of the timer at what is due")


@cache
def renewal_settings() -> RenewalSettings:
    """The settings of this process."""
    return RenewalSettings()
