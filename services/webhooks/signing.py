"""Signatures by Standard Webhooks (https://www.standardwebhooks.com), and secrets as they are kept: sealed with a key
that is made from the master key, so that a copy of the database opens none."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX = "whsec_"
SECRET_BYTES = 32
NONCE_BYTES = 12


def new_secret() -> str:
    """A secret as its receiver is given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of one message under one secret, as version 1 has it."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(given: Iterable[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message, signed under all secrets that are in force."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(each, message_id, timestamp, body) for each in given),
    }


class SecretBox:
    """Seals and opens the secrets of webhooks. What was sealed for one webhook opens for no other."""

    def __init__(self, master: bytes) -> None:
        self._key = AESGCM(HKDF(SHA256(), 32, None, b"postavka webhooks").derive(master))

    def seal(self, webhook_id: UUID, secret: str) -> bytes:
        """A secret as it is kept."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._key.encrypt(nonce, secret.encode(), webhook_id.bytes)

    def open(self, webhook_id: UUID, sealed: bytes) -> str:
        """The secret. Raises `cryptography.exceptions.InvalidTag` for another webhook's, or another master key."""
        return self._key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], webhook_id.bytes).decode()
