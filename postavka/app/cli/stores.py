"""What commands put something back into: the stores that publish, the servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from events.topics import STAGE_TOPICS
from postavka.app.registry import SERVICES
from postavka.kernel.address import load
from postavka.kernel.runtime.connection import connected, require_both_or_neither
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import Settings, settings
from postavka.kernel.stage.definition import Stage

EMBEDDED = "postavka.kernel.runtime.embedded"
"""Imported when it is needed: an image works with servers of one's own, and is without its packages."""


def stages() -> list[Stage]:
    """Everybody who keeps a store and publishes from it."""
    deciding = [load(f"{SERVICES[topic.writer].module}.stage:STAGE") for topic in STAGE_TOPICS]
    ops = Stage("ops", list, None, lambda *_: (), lambda state, _: state)
    return [*deciding, ops]


@contextmanager
def servers() -> Iterator[Settings]:
    """Servers to put something back into: named ones, those that run here, or those of this folder, started for it."""
    config = settings()
    require_both_or_neither(config)
    if config.kafka_bootstrap_servers and config.database_url:
        yield config
        return
    if load(f"{EMBEDDED}:running")(config.home):
        yield connected()
        return
    with load(f"{EMBEDDED}:EmbeddedServers")(config.home) as embedded:
        yield Settings(**embedded.start(Spoken()).settings(make_keys=True))
