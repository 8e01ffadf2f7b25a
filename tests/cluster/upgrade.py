"""A release to come, made of this one: with a changed table, a changed function and a new version of an event. And the
drill that goes there, back, and there for good, while requests flow."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psycopg

from events.approval import Approved
from events.versions import CONTRACT
from tests.cluster.rig import Rig, copy_release
from tests.cluster.scene import Scene
from tests.faults.load import Load
from tests.faults.schedule import STAGES
from tests.system.conftest import wait_until

OLD_VERSION = Approved.TYPE
NEW_VERSION = f"Approved.v{int(OLD_VERSION.removeprefix('Approved.v')) + 1}"
CHANGES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "events/approval.py": (
        (
            f'TYPE: ClassVar[str] = "{OLD_VERSION}"\n',
            f'TYPE: ClassVar[str] = "{NEW_VERSION}"\n\n    checked_by: Id = "new"\n',
        ),
    ),
    "events/upcasting.py": (
        (
            "UPCASTERS: dict[str, Upcaster] = {\n",
            f'UPCASTERS: dict[str, Upcaster] = {{\n    "{OLD_VERSION}": ("{NEW_VERSION}", _same),\n',
        ),
    ),
    "events/versions.py": (
        (f"CONTRACT = {CONTRACT}\n", f"CONTRACT = {CONTRACT + 1}\n"),
        (
            "HELD_BACK: dict[str, tuple[int, str, Callable[[Fields], Fields]]] = {\n",
            "HELD_BACK: dict[str, tuple[int, str, Callable[[Fields], Fields]]] = {\n"
            f'    "{NEW_VERSION}": ({CONTRACT + 1}, "{OLD_VERSION}",\n'
            '        lambda all: {name: value for name, value in all.items() if name != "checked_by"}),\n',
        ),
    ),
    "postavka/kernel/store/sql/fn_append.sql": (
        ("UPDATE head SET position =", "UPDATE head SET appended = appended + cardinality(originators), position ="),
    ),
}
"""File → what of it is another text in the release to come."""
NEW_TABLE = "ALTER TABLE head ADD COLUMN appended bigint NOT NULL DEFAULT 0;\n"
FLOWING = 8
"""Requests that come to their end between one step and the next."""


def make_next_release(folder: Path) -> Path:
    """The tree of the release to come. Raises `ValueError` where this release has moved on: `CHANGES` follow it."""
    copy_release(folder)
    for name, changes in CHANGES.items():
        file = folder / name
        text = file.read_text("utf-8")
        for before, after in changes:
            if text.count(before) != 1:
                raise ValueError(f"{name} has not once {before!r}")
            text = text.replace(before, after)
        file.write_text(text, "utf-8")
    store = folder / "postavka" / "kernel" / "store" / "sql"
    (store / "090_next_release.sql").write_text(NEW_TABLE, "utf-8")
    return folder


def upgrade(scene: Scene) -> None:
    """The release to come is rolled out one service after another, taken back, rolled out again, and finished."""
    rig, load, old = scene.rig, scene.load, scene.rig.launch.this
    new = make_next_release(rig.launch.home / "next-release")
    began = time.monotonic()
    _must("migrate", rig, new)
    _flow(scene)
    _roll(scene, new)
    assert _appended(rig) > 0, "the new function is not at work"
    _roll(scene, old)
    _must("migrate", rig, old)
    before = _appended(rig)
    _flow(scene)
    assert _appended(rig) > before, "the old release has put its function back"
    _roll(scene, new)
    assert NEW_VERSION not in _types(load), "an event was written that the old release can't read"
    _must("migrate --finish", rig, new)
    rig.restart(new, *STAGES, *rig.stage_workers())
    wait_until(lambda: NEW_VERSION in _types(load), "the new version of an event is written")
    _flow(scene)
    scene.figures["there, back, there and finished"] = f"{time.monotonic() - began:.0f} s"
    scene.figures["versions of Approved that were written"] = (
        f"{OLD_VERSION} until --finish, {NEW_VERSION} from then on"
    )


def _roll(scene: Scene, release: Path) -> None:
    """Second workers first, then the first ones, then all others; requests flow all the time."""
    rig = scene.rig
    second = rig.stage_workers()
    others = [name for name in rig.launch.services if name not in STAGES]
    for names in (second, list(STAGES), others):
        rig.restart(release, *names)
        _flow(scene)


def _must(command: str, rig: Rig, release: Path) -> None:
    wrong = rig.postavka(*command.split(), release=release)
    assert not wrong, wrong


def _flow(scene: Scene) -> None:
    """Until more requests have come to their end."""
    scene.wait_for(len(scene.load.ended) + FLOWING)


def _types(load: Load) -> set[str]:
    seen: Iterable[list[str]] = list(load.seen.values())
    return {each for types in seen for each in types}


def _appended(rig: Rig) -> int:
    with psycopg.connect(rig.system.database_url) as connection:
        row = connection.execute("SELECT appended FROM approval.head").fetchone()
    assert row is not None
    return int(row[0])
