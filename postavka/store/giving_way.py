"""Sessions of PostgreSQL that give way as much as the program they work for.

What a program asks of PostgreSQL is done by a process of its own there, which knows nothing of the program's niceness:
a count for the books would hold up a partner's request. Only where PostgreSQL was started together with us.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import psycopg

from postavka.settings import settings

MOST = 10
"""Less than letters and papers themselves: a session may hold, for an instant, what another one waits for."""


def as_we_do(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Give the session the niceness of this process."""
    niceness = min(os.getpriority(os.PRIO_PROCESS, 0), MOST)
    if settings().database_gives_way and niceness > 0:
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            os.setpriority(os.PRIO_PROCESS, connection.info.backend_pid, niceness)
