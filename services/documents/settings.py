"""The settings of how documents leave: which exchange operator, whose seal, how often to look."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from postavka.kernel.errors import UserError
from postavka.kernel.secret_files import FileSettings
from postavka.kernel.settings import Settings
from services.documents.operator.diadoc import Diadoc
from services.documents.operator.interface import ExchangeOperator
from services.documents.operator.local import LocalOperator
from services.documents.seal import Seal


class DocumentsSettings(FileSettings):
    """Read from the environment: `POSTAVKA_EDO_URL`, `POSTAVKA_EDO_TOKEN` …"""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_", env_file=".env", extra="ignore", frozen=True)

    edo_url: str | None = None
    """https://… of Diadoc or an operator of its shape. None: mailboxes in the folder `operator` of `POSTAVKA_HOME`."""
    edo_client_id: str | None = None
    """The integrator's key."""
    edo_token: SecretStr | None = None
    edo_box: str | None = None
    """Our own mailbox's id."""
    edo_boxes: dict[str, str] = Field({})
    """Mailboxes of counterparties that the operator does not name alone, as JSON: participant's id, `INN/KPP` or `INN`
    → id of the mailbox."""
    edo_certificate: Path | None = None
    """PEM: with it and its key what is sent bears our signature; an operator that demands one needs it."""
    edo_key: Path | None = None
    edo_engine: str | None = None
    """`gost` for a GOST key."""
    edo_digest: str = "sha256"
    """`md_gost12_256` for a GOST key of 256 bits."""
    edo_poll_seconds: float = Field(2.0, gt=0)
    """How often the operator is asked for answers."""


@cache
def documents_settings() -> DocumentsSettings:
    """The settings of this process, read once."""
    return DocumentsSettings()


def open_operator(config: Settings, settings: DocumentsSettings) -> ExchangeOperator:
    """The operator that the settings name. Raises `UserError` if they name it by half."""
    if settings.edo_url is None:
        return LocalOperator(config.home / "operator")
    if settings.edo_client_id is None or settings.edo_token is None or settings.edo_box is None:
        raise UserError(
            "POSTAVKA_EDO_URL is set: set POSTAVKA_EDO_CLIENT_ID, POSTAVKA_EDO_TOKEN, POSTAVKA_EDO_BOX as well"
        )
    token = settings.edo_token.get_secret_value()
    return Diadoc(settings.edo_url, settings.edo_client_id, token, settings.edo_box, named=settings.edo_boxes)


def open_seal(settings: DocumentsSettings) -> Seal | None:
    """The seal that we sign with; None: what is sent bears no signature of ours. Raises `UserError` if only half of it
    is named."""
    if settings.edo_certificate is None and settings.edo_key is None:
        return None
    if settings.edo_certificate is None or settings.edo_key is None:
        raise UserError("set both POSTAVKA_EDO_CERTIFICATE and POSTAVKA_EDO_KEY, or neither")
    return Seal(settings.edo_certificate, settings.edo_key, settings.edo_engine, settings.edo_digest)
