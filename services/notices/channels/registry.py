"""The ways out that there are. A new one is a folder beside the others and its line in the two lists here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from postavka.domain.reference.store import Snapshot
from postavka.kernel.settings import Settings
from services.notices.channels.channel import Carrier, OutgoingChannel
from services.notices.channels.email.channel import EmailChannel
from services.notices.channels.email.sender import EmailSender
from services.notices.channels.topic.channel import TopicChannel
from services.notices.channels.topic.publisher import NoticePublisher
from services.notices.settings import NoticesSettings


def channels(
    config: Settings, chosen: NoticesSettings, distributors: Sequence[str], reference: Callable[[], Snapshot]
) -> Sequence[OutgoingChannel]:
    """What writes news down, way by way; `distributors`: those whose topics there are."""
    return TopicChannel(distributors, chosen.vendor, reference), EmailChannel(config, chosen, reference)


def carriers(config: Settings, distributors: Sequence[str], is_busy: Callable[[], bool]) -> Sequence[Carrier]:
    """What carries away what was written down; letters give way while news are taken in (`is_busy`)."""
    return EmailSender(config, gives_way=is_busy), NoticePublisher(config, distributors)
