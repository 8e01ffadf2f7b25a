"""What a drill works on: a rig, and the requests that flow through it."""

from __future__ import annotations

import threading
import time

from tests.cluster.rig import Rig
from tests.faults.load import Load
from tests.system.conftest import wait_until

PATIENCE_SECONDS = 600.0


class Scene:
    """What a drill works on: a rig where requests flow. `figures`: what the drill has to tell."""

    def __init__(self, rig: Rig, load: Load, rate: float, seconds: float) -> None:
        """`rate`: requests a second; `seconds`: how long what is broken stays so, at the least."""
        self.rig, self.load, self.seconds = rig, load, seconds
        self.figures: dict[str, str] = {}
        self._enough = threading.Event()
        self._sending = threading.Thread(
            target=load.run_until, args=(self._enough, rate, PATIENCE_SECONDS), daemon=True
        )
        self._sending.start()

    def wait_for(self, ended: int) -> None:
        """Until so many requests have come to their end."""
        wait_until(lambda: len(self.load.ended) >= ended or self.load.failed, f"{ended} have ended", PATIENCE_SECONDS)
        self.raise_failed()

    def finish(self) -> float:
        """Send no new request; returns the seconds until all have come to their end."""
        started = time.monotonic()
        self._enough.set()
        self._sending.join()
        self.raise_failed()
        return time.monotonic() - started

    def raise_failed(self) -> None:
        """Say here what went wrong in the thread."""
        if self.load.failed is not None:
            raise self.load.failed
