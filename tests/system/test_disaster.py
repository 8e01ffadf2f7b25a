"""Everything is copied while it works and put back on another machine; then each half is built from the other."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from psycopg.sql import SQL, Identifier

from events.topics import STAGE_TOPICS, topic_names
from postavka.app.cli.backup import parts
from postavka.app.cli.stores import stages
from postavka.app.migrations import migrate_all
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.backup import whole
from postavka.kernel.backup.parts import Parts
from postavka.kernel.backup.rebuild import rebuild_stores, rebuild_topics
from postavka.kernel.backup.topics import save_topics
from postavka.kernel.backup.whole import back_up, restore
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.projection.rebuild import rebuild as rebuild_model
from postavka.kernel.runtime.embedded import EmbeddedServers
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from postavka.kernel.stage.recovery import bring_back
from postavka.kernel.store.datastore import SchemaDatastore
from services.audit.integrity.checkpoints import bring_back_checkpoints
from services.audit.integrity.keys import published_keys
from services.audit.integrity.logs import LOGS
from services.audit.integrity.store import connect, unsigned
from services.audit.integrity.tampering import verify_checkpoints
from services.audit.replay.recorded_facts import STAGES
from services.audit.replay.replay import ReplayOrder, replay
from services.audit.settings import AuditSettings
from services.cabinet.rebuild import MODEL as CABINET
from tests.paths import JARS
from tests.system.conftest import System, wait_until


@pytest.fixture(scope="module")
def another_machine() -> Iterator[Settings]:
    """Empty servers, without services."""
    home = Path(tempfile.mkdtemp(prefix="postavka-restored-"))
    home.chmod(0o755)
    try:
        with EmbeddedServers(home, JARS) as embedded:
            yield Settings(**embedded.start(Spoken()).settings(home=home))
            embedded.close()
            embedded.remove_data()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def copied(system: System, another_machine: Settings, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """The running system was copied while requests came in, and put back on the other machine."""
    folder, keys = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("keys")
    system.traffic().run(24, rate=50)
    sign_all(system)
    running = system.traffic().in_background(48, rate=12)
    running.wait_for(4)
    copy_tree = whole._copy_tree

    def copy_and_sign(*arguments: Any) -> None:
        """Checkpoints go on being signed while the copy is taken: here surely."""
        sign_all(system)
        copy_tree(*arguments)
        sign_all(system)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole, "_copy_tree", copy_and_sign)
        back_up(system.config, folder, parts(system.config), keys)
    running.join()
    system.settle()
    there = parts(another_machine)
    restore(another_machine, folder, there, keys)
    for stage in stages():  # what a worker does at its start
        datastore = SchemaDatastore(database_url(another_machine), stage.name)
        bring_back(another_machine, stage, datastore)
        datastore.close()
    return there


def sign_all(system: System) -> None:
    """Until everything so far is signed."""
    with connect(system.config) as connection:
        heads, _ = unsigned(connection)

        def signed() -> bool:
            connection.execute("NOTIFY postavka_audit_sign")
            return not unsigned(connection, heads)[1]

        wait_until(signed, "everything so far is signed", 90)


def events_of(config: Settings, schema: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url(config)) as connection:
        query = SQL("SELECT * FROM {}.stored_events ORDER BY notification_id").format(Identifier(schema))
        return connection.execute(query).fetchall()


def marks_of(config: Settings, schema: str) -> dict[str, tuple[int, int]]:
    with psycopg.connect(database_url(config)) as connection:
        query = SQL("SELECT application_name, notification_id, position FROM {}.notification_tracking")
        rows = connection.execute(query.format(Identifier(schema)))
        return {name: (offset, position) for name, offset, position in rows}


def imported_of(config: Settings, schema: str) -> set[str]:
    """Input partitions of which records were handled that the marks don't know of."""
    with psycopg.connect(database_url(config)) as connection:
        query = SQL("SELECT DISTINCT substring(input from '^(.*)/[^/]*$') FROM {}.imported_inputs")
        return {name for (name,) in connection.execute(query.format(Identifier(schema)))}


def cabinet_of(config: Settings) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url(config)) as connection:
        return connection.execute("SELECT * FROM cabinet.requests ORDER BY request_id").fetchall()


def topic_of(config: Settings, topic: str) -> list[Record]:
    places = dict.fromkeys(((topic, number) for number in range(PARTITIONS)), 0)
    found = [record for batch in read_records(config, places) for record in batch]
    return sorted(found, key=lambda each: (each.partition, each.offset))


def verify(config: Settings) -> list[str]:
    """What is not as it was signed. (Other tests of this folder forge records on the system's topics.)"""
    trusted = published_keys(AuditSettings().key_file(config))
    assert trusted
    return [str(each) for each in verify_checkpoints(config, AuditSettings(), logs=LOGS, trusted=trusted)]


def test_a_copy_taken_under_load_is_whole(system: System, another_machine: Settings, copied: Parts):
    for topic in STAGE_TOPICS:
        there, here = events_of(another_machine, topic.writer), events_of(system.config, topic.writer)
        assert 24 < len(there) <= len(here)
        assert there == here[: len(there)]
        copied_records = topic_of(another_machine, topic.name)
        places = {(record.partition, record.offset) for record in copied_records}
        everything = topic_of(system.config, topic.name)
        assert copied_records == [each for each in everything if (each.partition, each.offset) in places]
    assert set(verify(another_machine)) <= set(verify(system.config))


def test_a_copy_is_decided_again_as_it_was(another_machine: Settings, copied: Parts):
    report = replay(another_machine, ReplayOrder())
    assert report.requests == {}, report.differences[:3]
    assert report.decisions > 24 * 5
    assert report.events == sum(len(events_of(another_machine, stage.name)) for stage in STAGES)


def test_all_stores_are_built_from_the_topics_alone(system: System, another_machine: Settings, copied: Parts):
    rebuild_model(another_machine, CABINET)
    before = {stage.name: events_of(another_machine, stage.name) for stage in stages()}
    marks = {stage.name: marks_of(another_machine, stage.name) for stage in stages()}
    ahead = {(stage.name, name) for stage in stages() for name in imported_of(another_machine, stage.name)}
    cabinet = cabinet_of(another_machine)
    with psycopg.connect(database_url(another_machine)) as connection:
        for schema in (*before, "cabinet", "audit"):
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))
    migrate_all(database_url(another_machine))  # as `postavka rebuild database` does
    rebuilt = rebuild_stores(another_machine, stages())
    rebuild_model(another_machine, CABINET)
    assert bring_back_checkpoints(another_machine) > 0
    assert {name: events_of(another_machine, name) for name in before} == before
    assert sum(rebuilt.events.values()) == sum(map(len, before.values()))
    assert cabinet_of(another_machine) == cabinet
    for stage, there in marks.items():
        now = marks_of(another_machine, stage)
        for name, (offset, position) in there.items():
            # Inputs behind the last that led to an event are looked at again. What came back from the topic was
            # handled, though this older store's mark did not say so.
            if name in now and now[name][0] == offset:
                assert now[name][1] == position
            assert now.get(name, (-1, 0))[0] <= offset or (stage, name) in ahead
    assert set(verify(another_machine)) <= set(verify(system.config))


def test_the_topics_of_stages_are_filled_from_their_stores(
    system: System, another_machine: Settings, copied: Parts, tmp_path: Path
):
    names = topic_names(distributor_ids(database_url(another_machine)))
    stage_topics = [stage.topic for stage in stages()]
    before = {topic: topic_of(another_machine, topic) for topic in stage_topics}
    ends = save_topics(another_machine, tmp_path / "ends", topics=["commands.requests"])["commands.requests"]
    marks = {stage.name: marks_of(another_machine, stage.name) for stage in stages()}
    admin = AdminClient(for_librdkafka(another_machine))
    for future in admin.delete_topics(names, operation_timeout=30).values():
        future.result(60)
    wait_until(lambda: not set(names) & set(admin.list_topics(timeout=10).topics), "the topics are gone")
    rebuilt = rebuild_topics(another_machine, stages(), names)
    for topic in stage_topics:
        now, then = topic_of(another_machine, topic), before[topic]
        if not system.forged:
            assert [(each.partition, each.offset, each.key, each.value, each.headers) for each in now] == [
                (each.partition, each.offset, each.key, each.value, each.headers) for each in then
            ]
        assert {(each.key, each.value, each.headers) for each in now} <= {
            (each.key, each.value, each.headers) for each in then
        }
    if not system.forged:
        assert {stage: marks_of(another_machine, stage) for stage in marks} == marks
    # Commands are gone, and new ones come to lie behind the old: no mark takes them for handled.
    handled = {name: offset for name, (offset, _) in marks["request"].items() if name.startswith("commands.requests/")}
    again = save_topics(another_machine, tmp_path / "again", topics=["commands.requests"])["commands.requests"]
    assert {number: each.first for number, each in again.items()} == {
        number: handled.get(f"commands.requests/{number}", -1) + 1 for number in range(PARTITIONS)
    }
    assert rebuilt.lost["commands.requests"] == sum(offset + 1 for offset in handled.values())
    assert sum(each.end for each in ends.values()) >= rebuilt.lost["commands.requests"]
    assert set(verify(another_machine)) <= set(verify(system.config))
