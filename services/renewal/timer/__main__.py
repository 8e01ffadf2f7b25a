"""`python -m services.renewal.timer`: keeps the ends of services, and tells the stage of each day beside it."""

from __future__ import annotations

from collections.abc import Sequence

from events.topics import SERVICE_COMMANDS
from postavka.kernel.log.topics import check_topics
from postavka.kernel.projection.worker import BackgroundTask, main
from postavka.kernel.settings import Settings
from services.renewal.settings import renewal_settings
from services.renewal.timer.daily_round import DailyRound
from services.renewal.timer.projection import SCHEMA, Services


def start(config: Settings) -> Services:
    """The projection, if there is somebody to tell."""
    check_topics(config, [SERVICE_COMMANDS.name])
    return Services(config)


def beside(config: Settings, services: Services) -> Sequence[BackgroundTask]:
    """What tells the days."""
    return (DailyRound(config, renewal_settings()),)


if __name__ == "__main__":
    main(SCHEMA, start, beside)
