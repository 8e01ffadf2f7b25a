"""An event loop for callers that have none, or must not lend theirs: aiokafka's client needs one, and what reads the
log is a plain function or iterator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


class OwnLoop:
    """Runs coroutines to their end, one at a time; between two of them nothing runs. Within somebody else's loop it
    does so in a thread, and that loop stands meanwhile. A context manager."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine gives, or raises."""
        result: T = _aside(lambda: self._runner.run(coroutine))
        return result

    def close(self) -> None:
        """Cancel what was left; again does nothing."""
        _aside(self._runner.close)

    def __enter__(self) -> OwnLoop:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _aside(work: Callable[[], T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()
