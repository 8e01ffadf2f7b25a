"""A copy of everything, taken while it works, and putting it back.

The order makes the copy whole. First PostgreSQL, in one snapshot; then the topic of checkpoints; then the evidence,
which has every checkpoint that is on that topic, and what it covers; then the other topics, up to where they end by
then; then documents. So each part knows at least what the parts before it speak of: marks name offsets that are
in the copy, and events that a store lacks are on its topic, from where its workers bring them back at their start
(`postavka/kernel/stage/recovery.py`). What was asked for after the snapshot is on the topics and is decided anew.

What may not lie beside the rest, keys and passwords, goes into a folder of its own, if one is named.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from postavka.kernel.backup.database import (
    DUMP,
    DatabaseNotEmpty,
    dump,
    group_roles,
    put_back,
    require_nobody_at_work,
    schemas,
)
from postavka.kernel.backup.manifest import FILE, BadCopy, Manifest
from postavka.kernel.backup.topics import put_topics_back, save_topics
from postavka.kernel.errors import Trouble
from postavka.kernel.settings import Settings, database_url

TOPICS = "topics"
BLOBS = "blobs"
EVIDENCE = "evidence"
KEYS_DUMP = "keys.dump"
SECRETS = ("*.secret", "audit/*.key*", "privacy/*.key*")
"""Files of the home folder that are secrets, worth keeping, and not made anew."""

Told = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and how much there is."""


class FolderInUse(Trouble):
    """The folder for a copy has something in it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What lies where."""

    evidence: Path
    blobs: Path | None
    """None: documents are not in a folder; their store makes its own copies."""
    first_topics: Sequence[str] = ()
    """Topics that speak of others as a whole (checkpoints): copied before these."""
    key_schema: str = "keys"
    """The schema that goes with the secrets."""


def back_up(
    config: Settings,
    folder: Path,
    parts: Parts,
    keys: Path | None = None,
    told: Told = lambda what, done, total: None,
) -> Manifest:
    """Take a copy into `folder`, which must be new or empty; `keys`: another such folder, for the secrets. Raises
    `FolderInUse`, `DumpFailed`."""
    url = database_url(config)
    for each in filter(None, (folder, keys)):
        if each.exists() and any(each.iterdir()):
            raise FolderInUse(f"{each} is not empty")
        each.mkdir(parents=True, exist_ok=True)
        each.chmod(0o700)
    told("PostgreSQL", 0, 1)
    with psycopg.connect(url) as connection:
        manifest = Manifest(schemas=schemas(connection), roles=group_roles(connection))
    dump(url, folder / DUMP, without=[parts.key_schema])
    if keys is not None:
        if parts.key_schema in manifest.schemas:
            dump(url, keys / KEYS_DUMP, only=[parts.key_schema])
        _copy_secrets(config.home, keys)
    manifest.schemas = [name for name in manifest.schemas if name != parts.key_schema]
    told("PostgreSQL", 1, 1)
    manifest.topics = save_topics(
        config,
        folder / TOPICS,
        parts.first_topics,
        told=lambda done, total: told("records of the log", done, total),
        between=lambda: _copy_tree(parts.evidence, folder / EVIDENCE),
    )
    if parts.blobs is not None:
        _copy_tree(parts.blobs, folder / BLOBS, lambda done, total: told("documents", done, total))
    manifest.write(folder)
    if keys is not None:
        Manifest(schemas=[parts.key_schema], roles=manifest.roles).write(keys)
    return manifest


def restore(
    config: Settings,
    folder: Path,
    parts: Parts,
    keys: Path | None = None,
    told: Told = lambda what, done, total: None,
) -> Manifest:
    """Put a copy back into an empty database and an empty broker. Services must not be at work. Raises `BadCopy`,
    `DatabaseNotEmpty`, `NotEmpty`, `StillAtWork`."""
    manifest = Manifest.read(folder, lambda done, total: told("files checked", done, total))
    secrets = Manifest.read(keys) if keys is not None else None
    url = database_url(config)
    with psycopg.connect(url) as connection:
        require_nobody_at_work(connection)
        there = sorted(set(schemas(connection)) & {*manifest.schemas, parts.key_schema})
        if there:
            raise DatabaseNotEmpty(f"the database has {', '.join(there)} already: put a copy back into an empty one")
    put_topics_back(
        config, folder / TOPICS, manifest.topics, lambda done, total: told("records of the log", done, total)
    )
    told("PostgreSQL", 0, 1)
    put_back(url, folder / DUMP, manifest.roles)
    if keys is not None and secrets is not None:
        if KEYS_DUMP in secrets.files:
            put_back(url, keys / KEYS_DUMP, ())
        for name in secrets.files:
            if name != KEYS_DUMP:
                _copy_file(keys / name, config.home / name, 0o600)
    told("PostgreSQL", 1, 1)
    _copy_tree(folder / EVIDENCE, parts.evidence)
    if (folder / BLOBS).exists():
        if parts.blobs is None:
            raise BadCopy(f"the copy has documents in {folder / BLOBS}: put them into the store of documents by hand")
        _copy_tree(folder / BLOBS, parts.blobs, lambda done, total: told("documents", done, total))
    return manifest


def _copy_secrets(home: Path, keys: Path) -> None:
    for pattern in SECRETS:
        for file in home.glob(pattern):
            if file.is_file():
                _copy_file(file, keys / file.relative_to(home), 0o600)


def _copy_tree(source: Path, target: Path, told: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Files that only grow, or never change; in the order of their names, so that of a log's evidence the hashes of
    leaves come after the checkpoints that cover them."""
    files = sorted(file for file in source.rglob("*") if file.is_file()) if source.exists() else []
    for done, file in enumerate(files, 1):
        _copy_file(file, target / file.relative_to(source))
        told(done, len(files))


def _copy_file(source: Path, target: Path, mode: int | None = None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode is not None:
        target.touch(mode=mode)
    shutil.copyfile(source, target)
    with target.open("rb") as copied:
        os.fsync(copied.fileno())


__all__ = ["FILE", "BadCopy", "Parts", "back_up", "restore"]
