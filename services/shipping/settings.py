"""What shipping has to be told: who the vendor is on its documents, and whose signatures it trusts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from events.shipping import Vendor


class ShippingSettings(BaseSettings):
    """Read from the environment: `POSTAVKA_VENDOR__INN`, `POSTAVKA_SIGNATURE_ROOTS` …"""

    model_config = SettingsConfigDict(
        env_prefix="POSTAVKA_", env_file=".env", env_nested_delimiter="__", extra="ignore", frozen=True
    )

    vendor: Vendor = Vendor(
        id="softehno",
        name="ООО «Софтехно»",
        inn="0077000012",
        kpp="007701001",
        address="Москва",
        account=None,
        bank=None,
        bik=None,
        correspondent_account=None,
    )
    """To whom signed documents are sent (L16). The numbers are placeholders that no tax office gives out: an
    installation that works sets its own."""

    signature_roots: Path | None = None
    """PEM file with the root certificates that are trusted; None: no signature can be verified."""
    signature_intermediates: Path | None = None
    """PEM file with certificates between roots and signers, for signatures that do not bring them along."""


@cache
def shipping_settings() -> ShippingSettings:
    """The settings of this process, read once."""
    return ShippingSettings()
