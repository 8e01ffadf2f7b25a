"""How far readers are, when they will be through, and how large topics are: worked out from what was seen."""

from __future__ import annotations

import pytest

from events.topics import STAGE_TOPICS
from postavka.app.registry import SERVICES
from postavka.kernel.log.offsets import OffsetsUnknown
from postavka.kernel.log.sizes import largest_copies
from postavka.kernel.settings import Settings
from services.ops import lag as module
from services.ops.consumers import READERS, lag
from services.ops.lag import NothingSeen, Probe, Streams, seconds_to_drain
from services.ops.pages.services import SAID
from services.shipping.list_survey import Survey

BY_NAME = {reader.name: reader for reader in READERS}


@pytest.mark.parametrize(
    ("behind", "before", "passed", "seconds"),
    [(0, 500, 2.0, 0.0), (0, 0, 2.0, 0.0), (100, 300, 2.0, 1.0), (300, 300, 2.0, None), (400, 300, 2.0, None)],
)
def test_a_reader_is_through_when_its_lag_has_fallen_at_this_pace(
    behind: int, before: int, passed: float, seconds: float | None
) -> None:
    assert seconds_to_drain(behind, before, passed) == seconds


def test_a_partition_without_a_mark_counts_from_its_beginning() -> None:
    ends = {("approval.events", 0): 5, ("approval.events", 1): 7, ("shipping.events", 0): 3}
    assert lag(BY_NAME["cabinet"], {("approval.events", 0): 4}, ends) == 7 + 3
    assert lag(BY_NAME["papers"], {}, ends) == 3, "papers read shipping's events alone"


def test_topics_of_distributors_count_for_who_reads_them() -> None:
    ends = {("distributors.dist-north.confirmations", 2): 4, ("distributors.dist-north.notices", 2): 9}
    assert lag(BY_NAME["billing"], {}, ends) == 4
    assert lag(BY_NAME["notices"], {("distributors.dist-north.confirmations", 2): 3}, ends) == 0
    assert lag(BY_NAME["shipping"], {}, ends) == 0


def test_every_service_that_follows_the_log_is_watched() -> None:
    assert {reader.name for reader in READERS} == set(SERVICES) - {"web"}
    without_input = {reader.name for reader in READERS if not reader.topics}
    assert without_input == {"ops", "webhooks"}, "webhooks follow the feed's table"
    assert {topic.writer for topic in STAGE_TOPICS} <= set(BY_NAME)


def test_of_replicas_the_largest_counts_and_a_moving_log_counts_once() -> None:
    def folder(*partitions: tuple[str, int, int, bool]) -> dict[str, object]:
        return {
            "topics": [
                {
                    "name": name,
                    "partitions": [{"partition_index": number, "partition_size": size, "is_future_key": future}],
                }
                for name, number, size, future in partitions
            ]
        }

    found = largest_copies(
        [
            folder(("a", 0, 100, False), ("a", 1, 50, False), ("b", 0, 7, False)),
            folder(("a", 0, 90, False), ("a", 1, 60, False), ("a", 0, 1_000, True)),
        ]
    )
    assert found == {"a": 160, "b": 7}


def test_what_is_wrong_with_revocation_lists_is_shown() -> None:
    """Shipping says it in `/healthz`; the console shows what it has a word for."""
    assert set(Survey(0, (), (), ()).details()) - set(SAID) == {"revocation_lists"}


def test_while_a_server_is_away_the_last_look_is_given_and_how_old_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again each time; what a library has said of it reaches nobody."""
    away = OffsetsUnknown('KafkaError{code=_NOENT,val=-156,str="No leaders found"}')
    seen, again = Streams([], [], [], None), Streams([], [], [], "other")
    answers = iter([away, seen, away, again])

    def look(self: Probe) -> Streams:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(module, "AdminClient", lambda conf: None)
    monkeypatch.setattr(Probe, "_look", look)
    monkeypatch.setattr(module, "FRESH_SECONDS", -1.0)
    monkeypatch.setattr(module, "AGAIN_SECONDS", -1.0)
    probe = Probe(Settings(kafka_bootstrap_servers="127.0.0.1:1"))
    with pytest.raises(NothingSeen) as nothing:
        probe.look()
    assert "_NOENT" not in str(nothing.value)
    assert probe.look() is seen
    probe._seen_at -= 90
    assert probe.look() is seen
    assert probe.age >= 90
    assert probe.look() is again
    assert probe.age < 90
