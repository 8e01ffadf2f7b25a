"""The master key: wraps persons' keys, and hides the names they are found by. A file outside of the database, so that
neither a copy of the database nor the log alone tells anything."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from postavka.kernel.key_file import make_key, read_key
from postavka.kernel.settings import Settings


class PrivacySettings(BaseSettings):
    """Read from the environment: `POSTAVKA_PRIVACY_KEY`."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_PRIVACY_", env_file=".env", extra="ignore", frozen=True)

    key: Path | None = None
    """File with the master key, 64 hexadecimal digits: the same on every machine that sends commands, approves, or
    shows requests. Left out: `privacy/master.key` in the home folder, made when it is first needed."""


def master_key(config: Settings, privacy: PrivacySettings | None = None) -> bytes:
    """The master key of this installation; made if it is needed for the first time and no file was named. Raises
    `NoKey`."""
    named = (privacy or PrivacySettings()).key
    file = named or config.home / "privacy" / "master.key"
    if named is None:
        make_key(file)
    return read_key(file, "master key")
