"""The order in which programs get the processor while everything shares one machine that can't carry the load.

First comes what a partner waits for at a screen: Kafka, a request, its approval. Then shipping, which decides for as
long as all other stages together and would hold up the rest; then the other deciders, then what is read, then the rest
of what follows the log; last e-mail and rendering, which cost more than requests.

Only the launcher of the one box knows of this: it starts programs by `nice`, and gives each session of PostgreSQL the
niceness of the service that opened it, which it knows by the session's application name. What a service asks of
PostgreSQL is done by a process of its own there, which knows nothing of the service's niceness: a count for the books
would hold up a partner's request. Helpers that PostgreSQL starts for one statement (parallel workers) keep theirs.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence

import psycopg

FIRST = -10
"""As another user than root it has 0 like most."""
NICENESS = {
    **dict.fromkeys(("kafka", "request", "approval"), FIRST),
    **dict.fromkeys(("shipping", "web"), 0),
    **dict.fromkeys(("billing", "activation", "desk"), 5),
    "cabinet": 10,
    **dict.fromkeys(("payments", "ops", "audit", "renewal", "timer"), 15),
    **dict.fromkeys(("papers", "notices", "feed", "webhooks"), 19),
}
"""Of every service, and of Kafka; other programs have 0."""
LEAST_FIRST_SESSION = 10
"""No session gives way more than this: one that flushes the log of PostgreSQL holds up every other commit until it has
a processor again. With 10 no more approvals were late than with 0 (docs/history/performance.md)."""
LOOK_SECONDS = 1.0
APPLICATION = "postavka-"
OTHER_NAMES = {"statements": "payments"}
"""Sessions that are not called after their service."""


def launched_by(name: str) -> Sequence[str]:
    """The command that starts a program with its niceness; nothing where it has none, or may have none."""
    niceness = NICENESS.get(name, 0)
    allowed = niceness > 0 or (niceness < 0 and os.geteuid() == 0)
    return ("nice", "-n", str(niceness)) if allowed else ()


def niceness_of(application: str) -> int:
    """The niceness of a session, by its application name: `postavka-notices`, `postavka-web-live`."""
    service = application.removeprefix(APPLICATION)
    service = OTHER_NAMES.get(service, service)
    return min(NICENESS.get(service, 0), LEAST_FIRST_SESSION)


class SessionPriorities(threading.Thread):
    """Looks every second which sessions are new, and gives each its niceness. Ends with `stop`."""

    def __init__(self, conninfo: str) -> None:
        super().__init__(name="session priorities", daemon=True)
        self._conninfo = conninfo
        self._stopping = threading.Event()

    def run(self) -> None:
        """Follow the sessions of PostgreSQL until `stop`; while PostgreSQL is away, it is looked for again."""
        while not self._stopping.is_set():
            with (
                contextlib.suppress(psycopg.Error),  # PostgreSQL is away, or stops: look again
                psycopg.connect(self._conninfo, autocommit=True, application_name="priorities") as looking,
            ):
                self._follow(looking)
            self._stopping.wait(LOOK_SECONDS)

    def stop(self) -> None:
        """Returns when it has ended."""
        self._stopping.set()
        self.join()

    def _follow(self, looking: psycopg.Connection[tuple[int, str]]) -> None:
        known: set[tuple[int, str]] = set()
        while not self._stopping.wait(LOOK_SECONDS):
            sessions = set(
                looking.execute(
                    "SELECT pid, application_name FROM pg_stat_activity WHERE starts_with(application_name, %s)",
                    (APPLICATION,),
                )
            )
            for process, application in sessions - known:
                with contextlib.suppress(OSError):  # it has ended, is another user's, or may not go first
                    os.setpriority(os.PRIO_PROCESS, process, niceness_of(application))
            known = sessions
