"""The intervals at which figures are counted that are for people and alarms: what waits, what is owed, what has not
left."""

from __future__ import annotations

SHARE = 10
LONGEST_SECONDS = 60.0


def pause_after(took: float, usual: float) -> float:
    """Seconds until the next count: as usual; where counting takes long (a million documents that nobody has signed),
    `SHARE` times as long as it took, up to a minute. There is other work."""
    return max(usual, min(SHARE * took, LONGEST_SECONDS))
