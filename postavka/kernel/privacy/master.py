"""The master key: wraps persons' keys, and hides the names they are found by. A file outside of the database, so that
neither a copy of the database nor the log alone can be decrypted."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from postavka.kernel.privacy.installation_keys import MASTER, installation_key
from postavka.kernel.secret_files import CredentialFile, FileSettings
from postavka.kernel.settings import Settings


class PrivacySettings(FileSettings):
    """Read from the environment: `POSTAVKA_PRIVACY_KEY`."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_PRIVACY_", env_file=".env", extra="ignore", frozen=True)

    key: CredentialFile = None
    """File with the master key, 64 hexadecimal digits: the same on every machine that sends commands, approves, or
    shows requests. Left out: `privacy/master.key` in the home folder, which `postavka up` makes."""


def master_key(config: Settings, privacy: PrivacySettings | None = None) -> bytes:
    """The master key of this installation. Raises `NoKey`, `WrongKey`."""
    return installation_key(config, MASTER, (privacy or PrivacySettings()).key)
