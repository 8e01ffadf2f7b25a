"""Blobs in a folder of the file system.

A blob is written beside its place, flushed to the disk, renamed into place, and the folder's entry is flushed as well:
a reader sees all of it or nothing, and after `put` has returned a power cut can't take it away.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from postavka.kernel.blobs.store import BlobMissing, BlobsAway, checked, key_of, name_of
from postavka.kernel.runtime.file_access import sync_folder


class FolderBlobs:
    """Blobs as files of a folder. The folder is made at the first `put`, for its owner only: documents name people and
    sums."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)

    def put(self, data: bytes) -> str:
        """Keep data as `Blobs.put` says. A blob that is there already but damaged is replaced by the right bytes."""
        sha256 = name_of(data)
        place = self._root / key_of(sha256)
        try:
            if _same(place, data):
                return sha256
            self._make(place.parent)
            beside = place.parent / f".{sha256[:16]}.{secrets.token_hex(8)}"
            try:
                _write(beside, data)
                beside.replace(place)
            finally:
                beside.unlink(missing_ok=True)
            sync_folder(place.parent)
        except OSError as error:
            raise BlobsAway(f"{self._root}: {error.strerror or error}") from error
        return sha256

    def get(self, sha256: str) -> bytes:
        """Read data as `Blobs.get` says."""
        place = self._root / key_of(sha256)
        try:
            data = place.read_bytes()
        except FileNotFoundError:
            raise BlobMissing(sha256, str(self._root)) from None
        except OSError as error:
            raise BlobsAway(f"{self._root}: {error.strerror or error}") from error
        return checked(sha256, data, str(self._root))

    def has(self, sha256: str) -> bool:
        """Look for data as `Blobs.has` says."""
        return (self._root / key_of(sha256)).is_file()

    def _make(self, folder: Path) -> None:
        """The folder, and its entry in the one above it, on the disk."""
        for each in (self._root, folder):
            if not each.exists():
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_folder(each.parent)


def _same(place: Path, data: bytes) -> bool:
    try:
        return place.stat().st_size == len(data) and place.read_bytes() == data
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
