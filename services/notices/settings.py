"""Settings of the notices: `POSTAVKA_SMTP_HOST`, `POSTAVKA_MAIL_FROM` …"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from postavka.domain.email_address import AddressText, BadAddress, EmailAddress, read_mailbox
from postavka.domain.vendor import vendor
from postavka.kernel.secret_files import CredentialFile, FileSettings

DAY = 86_400.0


class NoticesSettings(FileSettings):
    """Read once a process; frozen."""

    model_config = SettingsConfigDict(
        env_prefix="POSTAVKA_", env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    smtp_host: str | None = Field(None, description="None: letters go into a file, POSTAVKA_HOME/mail/outbox.mbox")
    smtp_port: int | None = Field(None, description="None: 25, with starttls 587, with tls 465")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="none: in the clear; for a server on this machine only"
    )
    smtp_cafile: Path | None = Field(None, description="PEM; None: the system's roots")
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_seconds: float = Field(30.0, gt=0, description="for each answer of the server")
    smtp_connections: int = Field(2, ge=1, description="letters sent side by side")

    letters_key: CredentialFile = Field(
        None,
        description="file with what links in letters are signed with, 64 hexadecimal digits, the same for the notices "
        "and the pages; None: letters.secret in the home folder, which `postavka up` makes",
    )

    mail_from: str = Field(
        "no-reply@softehno.example",
        description="`Name <name@example.ru>`, or an address: the vendor has the name",
    )
    mail_domain: str | None = Field(None, description="of Message-IDs; None: that of the sender")
    mail_support: AddressText = Field("itsotr@1c.ru", description="where questions go, in every letter")
    mail_vendor: str | None = Field(
        None, description="who sells, where no event has told it; None: POSTAVKA_VENDOR__NAME"
    )
    mail_give_up_seconds: float = Field(5 * DAY, gt=0, description="tried for so long, a letter has failed")
    mail_oldest_seconds: float = Field(3 * DAY, gt=0, description="news older than this when they are read go unsent")
    mail_retry_seconds: float = Field(60.0, gt=0, description="before the second try; then ever longer, up to 4 hours")

    url: str | None = Field(
        None,
        validation_alias=AliasChoices("POSTAVKA_WEB_URL", "POSTAVKA_URL"),
        description="the cabinet's address for links in letters; None: letters without links",
    )

    @property
    def port(self) -> int:
        """Where the server listens."""
        return self.smtp_port or {"none": 25, "starttls": 587, "tls": 465}[self.smtp_security]

    @property
    def sender(self) -> tuple[str, EmailAddress]:
        """Name and address of whom e-mails come from. Raises `ValueError`."""
        try:
            name, address = read_mailbox(self.mail_from)
        except BadAddress as wrong:
            raise ValueError(f"POSTAVKA_MAIL_FROM: write it as `Name <name@example.ru>`: {wrong}") from wrong
        return name or self.vendor, address

    @property
    def vendor(self) -> str:
        """Name of who sells, where no event names it."""
        return self.mail_vendor or vendor().name

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.smtp_username and self.smtp_security == "none":
            raise ValueError("POSTAVKA_SMTP_USERNAME needs POSTAVKA_SMTP_SECURITY: a password is not sent in the clear")
        self.sender  # noqa: B018  (raises)
        for name, value in (("POSTAVKA_MAIL_DOMAIN", self.mail_domain), ("POSTAVKA_URL", self.url)):
            if value is not None and not value.isascii():
                raise ValueError(f"{name}: letters of other alphabets are written in punycode in a domain (xn--…)")
        return self


@cache
def notices_settings() -> NoticesSettings:
    """The settings of this process, read once."""
    return NoticesSettings()
