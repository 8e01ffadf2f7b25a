"""Settings of the web application, all `POSTAVKA_WEB_…`; where it listens is the kernel's `POSTAVKA_HTTP_…`."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from postavka.domain.email_address import AddressText
from postavka.kernel.secret_files import FileSettings
from postavka.web.identity.sessions import Lifetimes


class WebSettings(FileSettings):
    """Read once at start; frozen."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_WEB_", env_file=".env", extra="ignore", frozen=True)

    url: str | None = Field(
        None, description="the address that people type: https://cabinet.example.ru; None: by each request's Host, http"
    )
    hosts: str = Field(
        "", description="further names in `Host` that are answered, with commas between them; the others get 421"
    )
    probes_port: int | None = Field(
        None, ge=0, description="a port of their own for /livez, /readyz, /healthz and /metrics; None: the pages' port"
    )
    trusted_proxies: str = Field(
        "",
        description="addresses and networks whose X-Forwarded-For and -Proto are believed, with commas between them",
    )
    support_email: AddressText = Field("itsotr@1c.ru", description="where questions go; named on every page")
    sample_accounts: bool = Field(False, description="make the sample users of the demo, with known passwords")

    # Sessions
    idle_minutes: int = Field(120, ge=1, description="a session without a request ends after this")
    absolute_hours: int = Field(12, ge=1, description="a session ends after this, whatever happens")
    rotate_minutes: int = Field(15, ge=1, description="the session's id changes so often")

    # Sign-in
    failures_per_account: int = Field(
        10,
        ge=1,
        description="failed sign-ins of unknown browsers to one account from one address; in all, ten times as many",
    )
    failures_per_device: int = Field(10, ge=1, description="failed sign-ins of a browser that the account is known in")
    failures_per_address: int = Field(50, ge=1, description="failed sign-ins from one address, to whatever accounts")
    failures_minutes: int = Field(15, ge=1, description="over which the three are counted")
    activations_per_address: int = Field(20, ge=1, description="public activations from one address in 15 minutes")
    activations_per_number: int = Field(
        50, ge=1, description="public activations with one registration number in an hour, from wherever"
    )
    calls_per_minute: int = Field(1200, ge=1, description="calls of the API by one tenant")
    tenant_bytes_per_day: int = Field(
        67_108_864,
        ge=1,
        description="what one tenant may send in a day, since it is kept for ever; then 429",
    )
    limits_storage: SecretStr = Field(
        SecretStr("memory://"),
        description="where failures are counted: memory:// for one process; see the library `limits`",
    )

    # OpenID Connect: on when an issuer is named
    oidc_issuer: str | None = Field(None, description="https://login.example.ru/realms/firm")
    oidc_client_id: str = "postavka"
    oidc_client_secret: SecretStr | None = None
    oidc_claim: str = Field(
        "email", description="which claim is the login: email (must be verified) or preferred_username"
    )
    oidc_acr_values: str = Field(
        "",
        description="how strongly people must have signed in there: its names for it (acr), the best first, blanks "
        "between them; an ID token with none of them lets nobody in",
    )
    oidc_max_age: int | None = Field(
        None, ge=0, description="how many seconds ago they may have signed in there; longer ago: they are asked again"
    )
    oidc_name: str = Field("Единый вход", description="the button's text on the sign-in page")

    undo_seconds: float = Field(
        10.0, ge=0, description="what can't be undone leaves so many seconds after it was agreed to: time to undo it"
    )

    # Bounds
    body_bytes: int = Field(1_048_576, ge=1024, description="the largest body of a request")
    body_seconds: float = Field(60.0, gt=0, description="how long a request's body may take to come")
    live_streams: int = Field(2_000, ge=1, description="live pages at a time in this process")
    live_streams_each: int = Field(20, ge=1, description="of one user or token")
    database_connections: int = Field(8, ge=2)
    send_seconds: float = Field(10.0, gt=0, description="how long a command may take until Kafka has it")

    @property
    def secure(self) -> bool:
        """Cookies for https only, with `__Host-`."""
        return self.url is not None and self.url.startswith("https://")

    @property
    def lifetimes(self) -> Lifetimes:
        """The lifetimes of sessions."""
        return Lifetimes(
            timedelta(minutes=self.idle_minutes),
            timedelta(hours=self.absolute_hours),
            timedelta(minutes=self.rotate_minutes),
        )

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for each in filter(None, (part.strip() for part in value.split(","))):
            try:
                everybody = ip_network(each, strict=False).prefixlen == 0
            except ValueError:
                everybody = True
            if everybody:
                raise ValueError(
                    f"POSTAVKA_WEB_TRUSTED_PROXIES takes addresses and networks, not {each!r}: whoever is trusted says "
                    "which address a client has"
                )
        return value

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError("POSTAVKA_WEB_URL begins with http:// or https://")
        if self.oidc_issuer is not None and self.url is None:
            raise ValueError(
                "POSTAVKA_WEB_URL is required with POSTAVKA_WEB_OIDC_ISSUER: the provider sends people there"
            )
        return self


def is_public(config: WebSettings, host: str) -> bool:
    """Can others than this machine reach it? By https, by an address that people type, or by where it listens
    (`host`, the kernel's `POSTAVKA_HTTP_HOST`)."""
    typed = urlsplit(config.url).hostname if config.url else None
    return config.secure or not is_loopback(host) or (typed is not None and not is_loopback(typed))


def is_loopback(host: str) -> bool:
    """Is this name or address the machine itself?"""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
