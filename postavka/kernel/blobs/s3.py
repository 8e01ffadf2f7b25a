"""Blobs in a bucket of an S3-compatible server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from postavka.kernel.blobs.store import BlobMissing, BlobsAway, checked, key_of, name_of
from postavka.kernel.errors import UserError
from postavka.kernel.settings import Settings

CONNECT_SECONDS = 5
CALL_SECONDS = 30
PATIENCE_SECONDS = 20
"""How long a call is repeated while the server is away; then it is the caller's turn."""


class S3Blobs:
    """Blobs as objects of a bucket that speaks S3. The server keeps what it has acknowledged: that is its promise, not
    ours."""

    def __init__(self, store: S3Store, where: str) -> None:
        self._store = store
        self._where = where

    @classmethod
    def of(cls, config: Settings, where: str) -> S3Blobs:
        """The bucket that `s3://bucket/prefix` names. Raises `UserError` if it names none."""
        parts = urlsplit(where)
        if not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
            raise UserError(
                "POSTAVKA_BLOBS: write s3://bucket or s3://bucket/prefix; keys go into settings of their own"
            )
        endpoint, secret = config.blobs_s3_endpoint, config.blobs_s3_secret_access_key
        access: dict[str, Any] = {
            "endpoint": endpoint,
            "access_key_id": config.blobs_s3_access_key_id,
            "secret_access_key": secret.get_secret_value() if secret else None,
        }
        store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            region=config.blobs_s3_region,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": endpoint is not None and endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=CALL_SECONDS),
            },
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=PATIENCE_SECONDS)},
            **{name: value for name, value in access.items() if value},
        )
        return cls(store, where)

    def put(self, data: bytes) -> str:
        """Keep data as `Blobs.put` says."""
        sha256 = name_of(data)
        try:
            self._store.put(key_of(sha256), data)
        except (BaseError, OSError) as error:
            raise self._away(error) from error
        return sha256

    def get(self, sha256: str) -> bytes:
        """Read data as `Blobs.get` says."""
        try:
            data = bytes(self._store.get(key_of(sha256)).bytes())
        except (NotFoundError, FileNotFoundError):
            raise BlobMissing(sha256, self._where) from None
        except (BaseError, OSError) as error:
            raise self._away(error) from error
        return checked(sha256, data, self._where)

    def has(self, sha256: str) -> bool:
        """Look for data as `Blobs.has` says."""
        try:
            self._store.head(key_of(sha256))
        except (NotFoundError, FileNotFoundError):
            return False
        except (BaseError, OSError) as error:
            raise self._away(error) from error
        return True

    def _away(self, error: Exception) -> BlobsAway:
        """The error with one line of what the library says: its messages have the request's and the response's text,
        but no key."""
        return BlobsAway(f"{self._where}: {' '.join(str(error).split())[:300]}")
