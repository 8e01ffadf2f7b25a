"""Places in a list, as clients carry them: opaque, and checked when they come back."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

import orjson


class BadCursor(ValueError):
    """The text is not a cursor of ours."""


def encode(submitted_at: str, request_id: UUID) -> str:
    """The cursor that stands behind this request."""
    return base64.urlsafe_b64encode(orjson.dumps([submitted_at, str(request_id)])).decode().rstrip("=")


def decode(text: str) -> tuple[str, UUID]:
    """Where to go on. Raises `BadCursor`."""
    try:
        if len(text) > 300:
            raise BadCursor(text[:20])
        value = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        submitted_at, request_id = value
        if not isinstance(submitted_at, str) or not submitted_at.isascii() or "\x00" in submitted_at:
            raise BadCursor(text[:20])
        return submitted_at, UUID(request_id)
    except (binascii.Error, ValueError, TypeError, AttributeError, UnicodeEncodeError) as wrong:
        raise BadCursor("not a cursor") from wrong
