"""Requests that have just been sent and may not be in the cabinet yet: so that a tenant sees its own writes at once."""

from __future__ import annotations

import time
from uuid import UUID

from postavka.kernel.latest_used import LatestUsed

KEEP_SECONDS = 60.0
MOST = 10_000


class Recently:
    """The short memory of this process; who asks another one waits for the cabinet."""

    def __init__(self) -> None:
        self._sent = LatestUsed[tuple[str, UUID], float](MOST)

    def note(self, owner: str, request_id: UUID) -> None:
        """This tenant has just sent this request."""
        self._sent.keep({(owner, request_id): time.monotonic()})

    def knows(self, owner: str, request_id: UUID) -> bool:
        """Has it, within the last minute?"""
        sent = self._sent.get((owner, request_id))
        return sent is not None and time.monotonic() - sent < KEEP_SECONDS
