"""Requests that have just been sent and may not be in the cabinet yet: so that a tenant sees its own writes at once."""

from __future__ import annotations

import time
from collections import OrderedDict
from uuid import UUID

KEEP_SECONDS = 60.0
MOST = 10_000


class Recently:
    """The short memory of this process; who asks another one waits for the cabinet."""

    def __init__(self) -> None:
        self._sent: OrderedDict[tuple[str, UUID], float] = OrderedDict()

    def note(self, owner: str, request_id: UUID) -> None:
        """This tenant has just sent this request."""
        self._sent[owner, request_id] = time.monotonic()
        self._sent.move_to_end((owner, request_id))
        while len(self._sent) > MOST:
            self._sent.popitem(last=False)

    def knows(self, owner: str, request_id: UUID) -> bool:
        """Has it, within the last minute?"""
        sent = self._sent.get((owner, request_id))
        return sent is not None and time.monotonic() - sent < KEEP_SECONDS
