"""`python -m services.notices`: follows the log, sends e-mails, publishes notices."""

from __future__ import annotations

from collections.abc import Sequence

from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.projection.worker import BackgroundTask, main
from postavka.kernel.settings import Settings, database_url
from services.notices.channels.email.personal import protect_older
from services.notices.channels.registry import carriers
from services.notices.channels.topic.distributors import New, with_topics
from services.notices.projection import SCHEMA, Notices


def start(config: Settings) -> Notices:
    """The projection, with the topics of all distributors there are. What an older release has kept in the clear is
    encrypted first."""
    notices = Notices(config, with_topics(config))
    protect_older(open_vault(config), database_url(config))
    return notices


def beside(config: Settings, notices: Notices) -> Sequence[BackgroundTask]:
    """What carries news away, and what looks for new distributors."""
    away = carriers(config, notices.distributors, lambda: notices.busy)

    def wake() -> None:
        for each in away:
            each.wake()

    notices.wake = wake
    return (*away, New(config, notices.distributors))


if __name__ == "__main__":
    main(SCHEMA, start, beside)
