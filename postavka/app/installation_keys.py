"""All keys of an installation together: made where they may be, looked up where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from postavka.kernel.key_file import read_key
from postavka.kernel.privacy.installation_keys import CHECKPOINTS, LETTERS, MASTER, KeyKind, fingerprint
from postavka.kernel.privacy.master import PrivacySettings
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.settings import Settings
from services.audit.integrity import keys as signing
from services.audit.settings import AuditSettings
from services.notices.channels.email.message import email_secret
from services.notices.settings import notices_settings


def make_missing(config: Settings) -> None:
    """Make what is missing where it may be made, and register what is there. Raises `NoKey`, `WrongKey`,
    `NoSigningKey`."""
    open_vault(config)
    email_secret(config)
    signing.installation_key(config, AuditSettings())


def key_files(config: Settings) -> Mapping[KeyKind, Path]:
    """Where each key lies on this machine."""
    named = {MASTER: PrivacySettings().key, LETTERS: notices_settings().letters_key, CHECKPOINTS: AuditSettings().key}
    return {kind: file or config.home / kind.file for kind, file in named.items()}


def fingerprint_here(kind: KeyKind, file: Path) -> str:
    """The fingerprint of the key in a file. Raises `NoKey`, `NoSigningKey`."""
    key = signing.read_key(file).verifier.public if kind is CHECKPOINTS else read_key(file, kind.words)
    return fingerprint(kind, key)
