"""A key in a file of its own, which only its owner may read: 64 hexadecimal digits."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from postavka.kernel.errors import UserError
from postavka.kernel.runtime.file_access import sync_folder

BYTES = 32


class NoKey(UserError):
    """The file of a key is missing, or is none."""


def read_key(file: Path, what: str) -> bytes:
    """The key in a file; `what` it is, for the message. Raises `NoKey`."""
    try:
        key = bytes.fromhex(file.read_text().strip())
    except FileNotFoundError:
        raise NoKey(f"there is no {what} in {file}: make one with `openssl rand -hex {BYTES}`") from None
    except (OSError, ValueError):
        raise NoKey(f"{file} can't be read as a {what}") from None
    if len(key) != BYTES:
        raise NoKey(f"{file} holds no {what}: {2 * BYTES} hexadecimal digits are needed")
    return key


def make_key(file: Path) -> None:
    """Make a key where there is none."""
    if not file.exists():
        put_once(file, secrets.token_hex(BYTES) + "\n")


def put_once(file: Path, text: str) -> None:
    """Write a secret where there is none; whole, or not at all: of several processes that begin at once the first one's
    counts."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    sync_folder(file.parent)
