"""A content-addressed store of bytes: what was put in is named by its SHA-256 and never changes."""

from postavka.kernel.blobs.store import BlobDamaged, BlobMissing, Blobs, BlobsAway, open_blobs

__all__ = ["BlobDamaged", "BlobMissing", "Blobs", "BlobsAway", "open_blobs"]
