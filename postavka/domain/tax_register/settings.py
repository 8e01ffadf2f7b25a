"""The settings of the tax register: which one is asked, and how patiently. All of it is `POSTAVKA_TAX_…`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from postavka.kernel.secret_files import FileSettings

LOCAL = ("127.0.0.1", "localhost", "[::1]")


class TaxSettings(FileSettings):
    """The address of the service comes from here and from nowhere else: nothing that a person types is part of it."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_TAX_", env_file=".env", extra="ignore", frozen=True)

    source: Literal["table", "online"] = Field(
        "table", description="the invented companies that ship with the project, or an online service"
    )
    url: HttpUrl = HttpUrl("https://suggestions.dadata.ru/suggestions/api/4_1/rs/findById/party")
    token: SecretStr | None = Field(None, description="of the online service; required there")
    proxy: HttpUrl | None = Field(None, description="HTTP proxy for the online service")
    connect_seconds: float = Field(1.0, gt=0, le=30)
    attempt_seconds: float = Field(1.5, gt=0, le=30, description="one attempt, from connecting to the last byte")
    answer_seconds: float = Field(3.0, gt=0, le=60, description="all attempts together: then it is typed by hand")
    attempts: int = Field(2, ge=1, le=5)
    failures_until_open: int = Field(5, ge=1, description="failed look-ups in a row before it is left alone")
    open_seconds: float = Field(30.0, gt=0, description="how long it is left alone then")
    remember_seconds: float = Field(86_400.0, ge=0, description="how long an answer is given again without asking")
    remember_while_down_seconds: float = Field(
        30 * 86_400.0, ge=0, description="how old an answer may be that is given while the service is down"
    )
    remember_companies: int = Field(10_000, ge=0)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.source == "online":
            if self.token is None:
                raise ValueError("POSTAVKA_TAX_TOKEN is required with POSTAVKA_TAX_SOURCE=online")
            if self.url.scheme != "https" and self.url.host not in LOCAL:
                raise ValueError(f"POSTAVKA_TAX_URL must be https: {self.url.host} would get the token in the clear")
        return self
