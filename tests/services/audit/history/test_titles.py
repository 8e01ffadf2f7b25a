"""An auditor reads Russian: no message that a history may show goes under the name of its type."""

from __future__ import annotations

from importlib.resources import files

from events.topics import ALL_TOPICS
from postavka.domain.wording import STAGES
from services.audit.history.titles import LANES, TITLES, title_of

NOT_IN_A_HISTORY = {"CheckpointSigned", "FindingAcknowledged", "PersonErased", "Notice"}


def test_every_message_of_a_history_has_a_title():
    named = {message.TYPE.partition(".")[0] for topic in ALL_TOPICS for message in topic.carries}
    assert named - NOT_IN_A_HISTORY == TITLES.keys()
    assert title_of("ShipmentIssued.v1") == "Поставка оформлена"
    assert title_of("FromTheFuture.v9") == "FromTheFuture"


def test_every_lane_has_a_colour():
    timeline = files("services.audit").joinpath("static/timeline.css").read_text("utf-8")
    events = files("services.ops").joinpath("static/ops/ops.css").read_text("utf-8")
    assert [lane for lane in LANES if f".lane-{lane} {{" not in timeline] == []
    assert [stage for stage in STAGES if f".lane-{stage} {{" not in events] == []
