"""The settings of shipping: whose signatures it trusts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class ShippingSettings(BaseSettings):
    """Read from the environment: `POSTAVKA_SIGNATURE_ROOTS` …"""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_", env_file=".env", extra="ignore", frozen=True)

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
