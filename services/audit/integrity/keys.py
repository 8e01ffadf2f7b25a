"""The key that signs checkpoints: made, read, changed. A file with one line, as in golang.org/x/mod/sumdb/note:
`PRIVATE+KEY+name+hash+key`. Beside it, `….pub` has the verifier keys of all times, the newest last: give it to
auditors.

To change the key: `postavka audit new-key --rotate` puts the next one beside it (`….next`). The service then signs one
more checkpoint of every log with the old key, which announces the new one, and goes on with the new one. Who trusts the
old key follows by itself.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from postavka.kernel.errors import UserError
from postavka.kernel.key_file import put_once
from postavka.kernel.privacy.installation_keys import (
    CHECKPOINTS,
    fingerprint,
    registered,
    replace,
    require_file,
    require_same,
)
from postavka.kernel.secret_files import credential
from postavka.kernel.settings import Settings
from services.audit.settings import AuditSettings
from services.audit.verifier import ED25519, VerifierKey, checkpoint_text, read_keys, sign_note

KEY_NAME = "postavka-audit"
PREFIX = "PRIVATE+KEY+"


class NoSigningKey(UserError):
    """The file of the private key is missing or is none."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that signs checkpoints. Its text is a secret: `repr` leaves it out."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        """The key by which its signatures are verified: its public half."""
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())

    def sign_checkpoint(self, origin: str, size: int, root: bytes, *extensions: str) -> str:
        """A checkpoint as a note."""
        return self.sign(checkpoint_text(origin, size, root, extensions))

    def sign(self, text: str) -> str:
        """A text, which ends with a line break, as a note."""
        return sign_note(text, self.name, self.verifier.public, self.private.sign)

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier})"


def new_key(file: Path, name: str = KEY_NAME) -> SigningKey:
    """Make a key in `file` (mode 0600, it must not exist), and add its public half to `….pub`."""
    key = SigningKey(name, Ed25519PrivateKey.generate())
    secret = base64.b64encode(ED25519 + key.private.private_bytes_raw()).decode()
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise NoSigningKey(f"{file} is there already") from None
    with os.fdopen(descriptor, "w") as out:
        out.write(f"{PREFIX}{name}+{key.verifier.id.hex()}+{secret}\n")
        out.flush()
        os.fsync(out.fileno())
    return key


def read_key(file: Path) -> SigningKey:
    """Raises `NoSigningKey`, without a word of what is in the file."""
    try:
        line = file.read_text("utf-8").strip()
        if not line.startswith(PREFIX):
            raise ValueError
        name, _, rest = line.removeprefix(PREFIX).partition("+")
        raw = base64.b64decode(rest.partition("+")[2], validate=True)
        if raw[:1] != ED25519:
            raise ValueError
        key = SigningKey(name, Ed25519PrivateKey.from_private_bytes(raw[1:]))
        if key.verifier.id.hex() != rest.partition("+")[0]:
            raise ValueError
    except FileNotFoundError:
        raise NoSigningKey(f"there is no key in {file}: make one with `postavka audit new-key`") from None
    except (OSError, ValueError):
        raise NoSigningKey(f"{file} holds no signing key") from None
    return key


def ensure_key(file: Path, *, make: bool) -> SigningKey:
    """The key of the file; made there if it may be. What is published of it is made whole."""
    key = new_key(file) if make and not file.exists() else read_key(file)
    publish(file, key.verifier)
    return key


def installation_key(config: Settings, audit: AuditSettings) -> SigningKey:
    """The key that signs in this installation; made where it may be. Raises `NoSigningKey`, `NoKey`, `WrongKey`."""
    file = audit.key_file(config)
    given = credential(CHECKPOINTS.variable)
    if audit.key is None and given is not None and not file.exists():  # where it is given nothing can lie beside it
        put_once(file, given.read_text("utf-8"))
    require_file(config, CHECKPOINTS, audit.key)
    key = ensure_key(file, make=audit.key is None and config.make_keys)
    earlier = {_fingerprint(each) for each in published_keys(file) if each != key.verifier}
    if registered(config).get(CHECKPOINTS.name) in earlier:  # it was changed, and this was not noted any more
        register(config, key)
    require_same(config, CHECKPOINTS, _fingerprint(key.verifier), file)
    return key


def register(config: Settings, key: SigningKey) -> None:
    """The installation signs with this key from now on."""
    replace(config, CHECKPOINTS, _fingerprint(key.verifier))


def _fingerprint(key: VerifierKey) -> str:
    return fingerprint(CHECKPOINTS, key.public)


def publish(file: Path, key: VerifierKey) -> None:
    """Add a verifier key to `….pub` unless it is there."""
    public = public_file(file)
    if key not in published_keys(file):
        with public.open("a", encoding="utf-8") as out:
            out.write(f"{key}\n")


def published_keys(file: Path) -> list[VerifierKey]:
    """All verifier keys there have been, the newest last."""
    public = public_file(file)
    return read_keys(public.read_text("utf-8")) if public.exists() else []


def public_file(file: Path) -> Path:
    """Where the verifier keys are."""
    return file.with_name(file.name + ".pub")


def next_file(file: Path) -> Path:
    """Where the next key waits until every log has announced it."""
    return file.with_name(file.name + ".next")


def take_next(file: Path) -> SigningKey:
    """The next key takes the place of the one in use, which is overwritten."""
    key = read_key(next_file(file))
    publish(file, key.verifier)
    with file.open("r+b") as old:
        os.replace(next_file(file), file)
        old.write(bytes(os.fstat(old.fileno()).st_size))
        old.flush()
        os.fsync(old.fileno())
    return key
