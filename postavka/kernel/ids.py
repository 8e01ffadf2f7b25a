"""Ids that are made here: UUIDs of version 7 (RFC 9562), which begin with the time.

Events of requests that are on their way together then stand together in every index whose key begins with the id. Drawn
at random, each goes to another page, and after a checkpoint PostgreSQL writes every page whole that is touched for the
first time. Ids from outside stay as they come; whoever makes one from a content or a key makes it by `uuid5`.
"""

from __future__ import annotations

import secrets
import threading
import time
from uuid import UUID

FRACTION_BITS, RANDOM_BITS = 12, 62
"""Behind 48 bits of milliseconds since 1970: the fraction of the millisecond (method 3 in section 6.2), and chance."""
_VERSION, _VARIANT = 7 << 76, 2 << 62
_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """An id that nobody has: within a process later than every one before, from any thread."""
    global _last
    now = (time.time_ns() << FRACTION_BITS) // 1_000_000
    with _lock:
        _last = at = max(now, _last + 1)
    milliseconds, fraction = divmod(at, 1 << FRACTION_BITS)
    return UUID(int=milliseconds << 80 | _VERSION | fraction << 64 | _VARIANT | secrets.randbits(RANDOM_BITS))
