"""What shipping has to be told: who the vendor is on its documents, and whose signatures it trusts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from events.shipping import Signatory, Vendor


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
        account="40702810000000000000",
        bank="Банк-образец (укажите свой)",
        bik="000000000",
        correspondent_account="30101810000000000000",
        signatory=Signatory(family_name="Образцов", given_name="Иван", patronymic="Петрович"),
        accountant="Примерова А. С.",
    )
    """To whom signed documents are sent (L16). Names and numbers are placeholders, and no tax office gives out such
    numbers: an installation that works sets its own (`POSTAVKA_VENDOR__SIGNATORY__FAMILY_NAME` …)."""

    signature_roots: Path | None = None
    """PEM file with the root certificates that are trusted; None: no signature can be verified."""
    signature_intermediates: Path | None = None
    """PEM file with certificates between roots and signers, for signatures that do not bring them along."""
    signature_time_stamp_roots: Path | None = None
    """PEM file with the roots of authorities whose time stamps are taken; None: `signature_roots`."""
    signature_revocation_lists: Path | None = None
    """A file, or a folder of `*.crl`, `*.pem`, `*.der`, with the revocation lists of all authorities; read anew when
    they change. Where it is set, no signature is taken while a list of its chain is missing or out of date. None:
    revocation is not looked at."""


@cache
def shipping_settings() -> ShippingSettings:
    """The settings of this process, read once."""
    return ShippingSettings()
