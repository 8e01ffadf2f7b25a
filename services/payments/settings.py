"""The settings of the reader of statements."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class PaymentsSettings(BaseSettings):
    """Read from the environment: `POSTAVKA_STATEMENTS_FOLDER`, `POSTAVKA_BANK_ACCOUNTS`."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_", env_file=".env", extra="ignore", frozen=True)

    statements_folder: Path | None = None
    """Statements dropped here are taken; `done` and `broken` below it have them afterwards, with a report beside."""
    bank_accounts: Annotated[frozenset[str], NoDecode] = frozenset()
    """Our accounts, separated by commas. Set: a statement of any other account is refused."""

    @field_validator("bank_accounts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return frozenset(filter(None, value.replace(" ", "").split(","))) if isinstance(value, str) else value


@cache
def payments_settings() -> PaymentsSettings:
    """The settings of this process, read once."""
    return PaymentsSettings()
