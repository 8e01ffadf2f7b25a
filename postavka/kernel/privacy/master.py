"""The master key: wraps persons' keys, and hides the names they are found by. A file outside of the database, so that
neither a copy of the database nor the log alone tells anything."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from postavka.kernel.errors import Trouble
from postavka.kernel.settings import Settings

BYTES = 32


class NoMasterKey(Trouble):
    """The file of the master key is missing, or is none."""


class PrivacySettings(BaseSettings):
    """Read from the environment: `POSTAVKA_PRIVACY_KEY`."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_PRIVACY_", env_file=".env", extra="ignore", frozen=True)

    key: Path | None = None
    """File with the master key, 64 hexadecimal digits: the same on every machine that sends commands, approves, or
    shows requests. Left out: `privacy/master.key` in the home folder, made when it is first needed."""


def master_key(config: Settings, privacy: PrivacySettings | None = None) -> bytes:
    """The master key; made if it is needed for the first time and no file was named. Raises `NoMasterKey`."""
    named = (privacy or PrivacySettings()).key
    file = named or config.home / "privacy" / "master.key"
    if named is None and not file.exists():
        _make(file)
    try:
        key = bytes.fromhex(file.read_text().strip())
    except FileNotFoundError:
        raise NoMasterKey(f"there is no master key in {file}: make one with `openssl rand -hex {BYTES}`") from None
    except (OSError, ValueError):
        raise NoMasterKey(f"{file} can't be read as a master key") from None
    if len(key) != BYTES:
        raise NoMasterKey(f"{file} holds no master key: {2 * BYTES} hexadecimal digits are needed")
    return key


def _make(file: Path) -> None:
    """Whole, or not at all: of several processes that begin at once the first one's counts."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_hex(BYTES) + "\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
