"""Changes of requests as they happen: one connection listens to the cabinet's notifications, pages wait for theirs."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from prometheus_client import Gauge
from psycopg.sql import SQL, Identifier

from postavka.kernel.process.logs import logger
from postavka.web.database import answers
from postavka.web.throttle import TooMany

log = logger(__name__)
STREAMS = Gauge("postavka_live_streams", "Live pages that are open")
QUIET_SECONDS = 15.0
"""After so long without a notification the server is asked whether it is still there."""
AGAIN_SECONDS = 1.0
LOOK_SECONDS = 15.0
"""A stream looks at its request so often even without a notification, and says that it is alive."""


class Live:
    """The waiting readers of each request. Bounded in all and for each user."""

    def __init__(self, conninfo: str, channels: Sequence[str], most: int, most_each: int) -> None:
        self._channels = channels
        self._conninfo, self._most, self._most_each = conninfo, most, most_each
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._open: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()
        self.connected = False

    async def start(self) -> None:
        """Listen in the background."""
        self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """End all streams, so that the server can stop."""
        self.closing.set()
        self._wake_all()
        if self._task is not None:
            self._task.cancel()

    def check_room(self, owner: str) -> None:
        """Raises `TooMany` when no further stream may be opened, in all or by this user."""
        if self._open.total() >= self._most or self._open[owner] >= self._most_each:
            raise TooMany(30)

    @contextmanager
    def subscription(self, request_id: str, owner: str) -> Any:
        """An event that is set whenever the request has changed. Raises `TooMany`."""
        self.check_room(owner)
        changed = asyncio.Event()
        self._open[owner] += 1
        self._waiting[request_id].add(changed)
        STREAMS.set(self._open.total())
        try:
            yield changed
        finally:
            self._waiting[request_id].discard(changed)
            if not self._waiting[request_id]:
                del self._waiting[request_id]
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]
            STREAMS.set(self._open.total())

    async def wait(self, changed: asyncio.Event, seconds: float = LOOK_SECONDS) -> bool:
        """Wait until the request has changed; False when nothing came in this time."""
        try:
            await asyncio.wait_for(changed.wait(), seconds)
        except TimeoutError:
            return False
        changed.clear()
        return True

    async def _listen(self) -> None:
        while True:
            try:
                async for ids in self._notices():
                    for request_id in ids.split():
                        for changed in self._waiting.get(request_id, ()):
                            changed.set()
            except (psycopg.Error, TimeoutError) as away:
                log.warning("notifications are away", error=str(away)[:200])
            self.connected = False
            await asyncio.sleep(AGAIN_SECONDS)

    async def _notices(self) -> AsyncIterator[str]:
        connection = await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, application_name="postavka-web-live"
        )
        async with connection:
            for channel in self._channels:
                await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
            self.connected = True
            self._wake_all()  # notifications sent while nobody listened are lost: everybody looks again
            while True:
                async for notice in connection.notifies(timeout=QUIET_SECONDS):
                    yield notice.payload
                await answers(connection)

    def _wake_all(self) -> None:
        for waiting in self._waiting.values():
            for changed in waiting:
                changed.set()
