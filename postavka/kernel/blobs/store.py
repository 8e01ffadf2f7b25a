"""What every store of blobs does, and which one the settings ask for.

The name of a blob is the SHA-256 of its bytes in lower-case hexadecimal. So the same bytes put twice are one blob,
nothing is ever overwritten with something else, and whoever reads can tell damage: every `get` hashes what it has read.
"""

from __future__ import annotations

import hashlib
import re
from typing import Protocol

from postavka.kernel.errors import UserError

NAME = re.compile(r"[0-9a-f]{64}")


class BlobMissing(UserError):
    """There is no blob of that name."""

    def __init__(self, sha256: str, where: str) -> None:
        super().__init__(f"{where} has no blob {sha256}")
        self.sha256 = sha256


class BlobDamaged(UserError):
    """The bytes that lie under a name are not those that it names."""

    def __init__(self, sha256: str, where: str) -> None:
        super().__init__(f"{where}: what lies under {sha256} has another SHA-256: restore it from a copy")
        self.sha256 = sha256


class BlobsAway(UserError):
    """The store can't be reached, or refuses; the same call may succeed later."""


class Blobs(Protocol):
    """A store of blobs. Methods may be called from several threads and processes at once."""

    def put(self, data: bytes) -> str:
        """Keep `data` and return its name. When this returns, the blob survives a crash. Again: changes nothing.

        Raises `BlobsAway`.
        """

    def get(self, sha256: str) -> bytes:
        """The bytes of that name, checked. Raises `BlobMissing`, `BlobDamaged`, `BlobsAway`; `ValueError` for what is
        no name."""

    def has(self, sha256: str) -> bool:
        """Is there a blob of that name? Its bytes are not looked at. Raises `BlobsAway`; `ValueError`."""


def name_of(data: bytes) -> str:
    """The name of these bytes."""
    return hashlib.sha256(data).hexdigest()


def key_of(sha256: str) -> str:
    """Where a blob lies below the store's root: `ab/cdef…`, so that no folder grows without bound.

    Raises `ValueError` for what is no name: nothing from outside becomes a path.
    """
    if not NAME.fullmatch(sha256):
        raise ValueError(f"not a SHA-256 in lower-case hexadecimal: {sha256[:80]!r}")
    return f"{sha256[:2]}/{sha256[2:]}"


def checked(sha256: str, data: bytes, where: str) -> bytes:
    """`data`, if that is its name. Raises `BlobDamaged`."""
    if name_of(data) != sha256:
        raise BlobDamaged(sha256, where)
    return data
