"""The kit that the desk makes of an order. The same order gives the same kit, so that answering twice does no harm."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from events.shipping import Kit, ManufacturingOrdered
from postavka.kernel.key_file import make_key, read_key

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Of activation codes: without characters that look alike."""


def make_kit(request_id: str, order: ManufacturingOrdered, secret: bytes) -> Kit:
    """Number and activation code by HMAC of the request id: unguessable without the desk's secret."""
    digest = hmac.digest(secret, request_id.encode(), hashlib.sha256)
    number = int.from_bytes(digest[:6]) % 10**12
    letters = "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[6:22])
    code = "-".join(letters[start : start + 4] for start in range(0, 16, 4))
    return Kit(number=f"{number:012d}", code=code, name=order.product.name)


def desk_secret(file: Path) -> bytes:
    """The key from which codes are made; made once, in a file that only its owner may read."""
    make_key(file)
    return read_key(file, "secret of the desk")
