"""The bounds for a client's slowness: a connection that never finishes its request is closed.

Uvicorn bounds the time between requests only. Without this, idle connections that cost their owner nothing would use up
the process's file descriptors. How long a body may take is `Guard`'s to say.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0


class Patience(H11Protocol):
    """The protocol for `uvicorn.run(http=…)` that closes connections whose request doesn't come."""

    seconds = HEAD_SECONDS
    """From the connection, or the first byte of a further request, until its headers are whole."""
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock begins to run before anything is said."""
        super().connection_made(transport)
        self._waiting = self.loop.call_later(self.seconds, transport.close)

    def data_received(self, data: bytes) -> None:
        """It runs until the headers are whole, however many pieces they come in."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(self.seconds, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock: nothing is left to wait for."""
        self._stop()
        super().connection_lost(exc)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
