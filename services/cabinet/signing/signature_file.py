"""A file with a detached CMS signature, whichever way a program has written it: DER, PEM or base64."""

from __future__ import annotations

import base64
import binascii

LONGEST_SIGNATURE = 150_000
"""Bytes; in base64 it stays below what the command takes."""


def read_signature(content: bytes) -> str | None:
    """The signature in base64, whichever way the file holds it; None when it can't be one."""
    if content and len(content) <= LONGEST_SIGNATURE:
        if content[:1] == b"\x30":
            return base64.b64encode(content).decode()
        lines = [each for each in content.split() if not each.startswith(b"-----")]
        text = b"".join(each for each in lines if each not in (b"BEGIN", b"END", b"PKCS7-----", b"CMS-----"))
        try:
            return base64.b64encode(base64.b64decode(text, validate=True)).decode() if text else None
        except binascii.Error:
            return None
    return None
