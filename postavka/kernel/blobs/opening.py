"""The choice of a store of blobs by the settings."""

from __future__ import annotations

from postavka.kernel.blobs.folder import FolderBlobs
from postavka.kernel.blobs.store import Blobs
from postavka.kernel.settings import Settings


def open_blobs(config: Settings) -> Blobs:
    """The store that `POSTAVKA_BLOBS` names: a folder (`POSTAVKA_HOME/blobs` unless set), or `s3://bucket/prefix`."""
    where = config.blobs
    if where is not None and where.startswith("s3://"):
        from postavka.kernel.blobs.s3 import S3Blobs  # its library takes a while to import

        return S3Blobs.of(config, where)
    return FolderBlobs(config.home / "blobs" if where is None else where)
