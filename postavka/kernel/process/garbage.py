"""The pauses of Python's collector of garbage. A service keeps tens of thousands of states, none of them in a cycle,
and going through them again and again takes a quarter of its time. The young are few each time: nothing else is done
while they are looked through."""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 5_000, 200, 100
"""Objects more than before until the youngest are looked through, and how many rounds make one of the next age."""


def collect_seldom() -> None:
    """Called once a process, when all modules are there: what there is now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
