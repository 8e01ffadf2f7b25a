"""An auditor reads Russian: no message that a history may show goes under the name of its type."""

from __future__ import annotations

from events.topics import ALL_TOPICS
from services.audit.history.titles import TITLES, title_of

NOT_IN_A_HISTORY = {"CheckpointSigned", "FindingAcknowledged", "PersonErased", "Notice"}


def test_every_message_of_a_history_has_a_title():
    named = {message.TYPE.partition(".")[0] for topic in ALL_TOPICS for message in topic.carries}
    assert named - NOT_IN_A_HISTORY == TITLES.keys()
    assert title_of("ShipmentIssued.v1") == "Поставка оформлена"
    assert title_of("FromTheFuture.v9") == "FromTheFuture"
