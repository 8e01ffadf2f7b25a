"""The vendor: on its documents, on pages and in e-mails."""

from __future__ import annotations

from functools import cache

from pydantic_settings import BaseSettings, SettingsConfigDict

from events.shipping import Signatory, Vendor


class VendorSettings(BaseSettings):
    """Read from the environment: `POSTAVKA_VENDOR__INN`, `POSTAVKA_VENDOR__NAME` …"""

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


@cache
def vendor() -> Vendor:
    """The vendor of this installation, read once a process. An event that names its vendor goes before it."""
    return VendorSettings().vendor
