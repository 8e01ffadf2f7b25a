"""A content-addressed store of bytes: what was put in is named by its SHA-256 and never changes."""

from postavka.kernel.blobs.opening import open_blobs
from postavka.kernel.blobs.store import BlobDamaged, BlobMissing, Blobs, BlobsAway

__all__ = ["BlobDamaged", "BlobMissing", "Blobs", "BlobsAway", "open_blobs"]
