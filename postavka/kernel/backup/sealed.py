"""Files of a copy, encrypted with a key that does not lie beside them.

A sealed file is a line of its form, a random salt, and pieces of 64 KiB, each AES-256-GCM under a key of the file's own
(HKDF of the copy's key and the salt). A piece's nonce is its number and whether it is the last: no piece can be left
out, moved, or put into another file.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic_settings import SettingsConfigDict

from postavka.kernel.errors import UserError
from postavka.kernel.key_file import make_key, read_key
from postavka.kernel.secret_files import CredentialFile, FileSettings
from postavka.kernel.settings import Settings

FORM = b"postavka sealed 1\n"
SALT_BYTES = 16
PIECE = 1 << 16
TAG_BYTES = 16
KEY_FILE = Path("backup") / "backup.key"
"""In the home folder, and in the folder of a copy's keys."""


class NotOurs(UserError):
    """A sealed file was made with another key, or was changed."""


class BackupSettings(FileSettings):
    """Read from the environment: `POSTAVKA_BACKUP_KEY`."""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_BACKUP_", env_file=".env", extra="ignore", frozen=True)

    key: CredentialFile = None
    """File with the key of copies, 64 hexadecimal digits. Left out: `backup/backup.key` in the home folder, made when
    it is first needed."""


class CopyKey:
    """The key that copies are sealed with."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @property
    def id(self) -> str:
        """Tells keys apart, and nothing of them."""
        return hashlib.sha256(b"postavka copy key" + self._secret).hexdigest()[:16]

    def cipher(self, salt: bytes) -> AESGCM:
        """The cipher of the file with this salt."""
        return AESGCM(HKDF(SHA256(), 32, salt, b"postavka copy").derive(self._secret))


def copy_key(config: Settings, keys: Path | None = None) -> CopyKey:
    """The key of copies: of the folder that was taken with a copy, if that has one, else the installation's. Raises
    `NoKey`."""
    if keys is not None and (keys / KEY_FILE).exists():
        return CopyKey(read_key(keys / KEY_FILE, "key of copies"))
    named = BackupSettings().key
    file = named or config.home / KEY_FILE
    if named is None:
        make_key(file)
    return CopyKey(read_key(file, "key of copies"))


class Sealing(io.RawIOBase):
    """A file that is written sealed, from its beginning to its end."""

    def __init__(self, file: Path, key: CopyKey) -> None:
        super().__init__()
        file.parent.mkdir(parents=True, exist_ok=True)
        salt = os.urandom(SALT_BYTES)
        self._cipher = key.cipher(salt)
        self._out = file.open("xb")
        self._out.write(FORM + salt)
        self._held = bytearray()
        self._pieces = 0
        self._written = 0

    def writable(self) -> bool:
        """The stream is written only."""
        return True

    def tell(self) -> int:
        """Bytes given to it so far, before they are sealed."""
        return self._written

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Seal these bytes, a piece at a time; returns how many there were: always all of them."""
        piece = bytes(data)
        self._held += piece
        self._written += len(piece)
        while len(self._held) > PIECE:
            self._put(bytes(self._held[:PIECE]), last=False)
            del self._held[:PIECE]
        return len(piece)

    def _put(self, piece: bytes, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._pieces, last), piece, None))
        self._pieces += 1

    def close(self) -> None:
        """Write the last piece, marked as such, and bring the file to the disk: without it no copy opens."""
        if not self.closed:
            self._put(bytes(self._held), last=True)
            self._out.flush()
            os.fsync(self._out.fileno())
            self._out.close()
        super().close()


def unseal(file: Path, key: CopyKey, target: IO[bytes]) -> None:
    """Write what is in a sealed file to `target`. Raises `NotOurs`."""
    with file.open("rb") as sealed:
        if sealed.read(len(FORM)) != FORM:
            raise NotOurs(f"{file} is no sealed file")
        cipher = key.cipher(sealed.read(SALT_BYTES))
        piece, number = sealed.read(PIECE + TAG_BYTES), 0
        while True:
            following = sealed.read(PIECE + TAG_BYTES)
            try:
                target.write(cipher.decrypt(_nonce(number, not following), piece, None))
            except InvalidTag:
                raise NotOurs(f"{file} can't be opened: another key, or it was changed") from None
            if not following:
                return
            piece, number = following, number + 1


@contextmanager
def opened(file: Path, key: CopyKey | None, scratch: Path) -> Iterator[Path]:
    """A file of a copy as it was before it was sealed, for as long as it is needed; `key` None: it is not sealed."""
    if key is None or not file.exists():
        yield file
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=scratch, prefix=".opened-") as plain:
        unseal(file, key, plain)
        plain.flush()
        yield Path(plain.name)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
