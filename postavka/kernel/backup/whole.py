"""A copy of everything, taken while it works, and putting it back.

The order makes the copy whole. First PostgreSQL, in one snapshot; then the topic of checkpoints; then the evidence,
which has every checkpoint that is on that topic, and what it covers; then the other topics, up to where they end by
then; then documents. So each part knows at least what the parts before it speak of: marks name offsets that are
in the copy, and events that a store lacks are on its topic, from where its workers bring them back at their start
(`postavka/kernel/stage/recovery.py`). What was asked for after the snapshot is on the topics and is decided anew.

What may not lie beside the rest, keys and passwords, goes into a folder of its own, if one is named: with it the key
that the files of the copy are sealed with.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
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
from postavka.kernel.backup.parts import Parts
from postavka.kernel.backup.sealed import KEY_FILE, CopyKey, NotOurs, Sealing, copy_key, opened, unseal
from postavka.kernel.backup.topics import put_topics_back, save_topics
from postavka.kernel.errors import UserError
from postavka.kernel.on_progress import OnProgress
from postavka.kernel.settings import Settings, database_url

TOPICS = "topics"
BLOBS = "blobs"
EVIDENCE = "evidence"
KEYS_DUMP = "keys.dump"
SECRETS = ("*.secret", "audit/*.key*", "privacy/*.key*", str(KEY_FILE))
"""Files of the home folder that are secrets, worth keeping, and not made anew."""


class FolderInUse(UserError):
    """The folder for a copy has something in it."""


def back_up(
    config: Settings,
    folder: Path,
    parts: Parts,
    keys: Path | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Manifest:
    """Take a copy into `folder`, which must be new or empty; `keys`: another such folder, for the secrets. Raises
    `FolderInUse`, `DumpFailed`, `NoKey`. Its files are sealed with the installation's key of copies."""
    url = database_url(config)
    key = copy_key(config)
    for each in filter(None, (folder, keys)):
        if each.exists() and any(each.iterdir()):
            raise FolderInUse(f"{each} is not empty")
        each.mkdir(parents=True, exist_ok=True)
        each.chmod(0o700)
    on_progress("PostgreSQL", 0, 1)
    with psycopg.connect(url) as connection:
        manifest = Manifest(schemas=schemas(connection), roles=group_roles(connection), key_id=key.id)
    dump(url, folder / DUMP, without=[parts.key_schema], key=key)
    if keys is not None:
        if parts.key_schema in manifest.schemas:
            dump(url, keys / KEYS_DUMP, only=[parts.key_schema])
        _copy_secrets(config.home, keys)
    manifest.schemas = [name for name in manifest.schemas if name != parts.key_schema]
    on_progress("PostgreSQL", 1, 1)
    manifest.topics = save_topics(
        config,
        folder / TOPICS,
        parts.first_topics,
        on_progress=lambda done, total: on_progress("records of the log", done, total),
        between=lambda: _copy_tree(parts.evidence, folder / EVIDENCE, partial(_seal, key)),
        key=key,
    )
    if parts.blobs is not None:
        _copy_tree(
            parts.blobs, folder / BLOBS, partial(_seal, key), lambda done, total: on_progress("documents", done, total)
        )
    manifest.write(folder)
    if keys is not None:
        Manifest(schemas=[parts.key_schema], roles=manifest.roles).write(keys)
    return manifest


def restore(
    config: Settings,
    folder: Path,
    parts: Parts,
    keys: Path | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Manifest:
    """Put a copy back into an empty database and an empty broker. Services must not be at work. Raises `BadCopy`,
    `DatabaseNotEmpty`, `TopicNotEmpty`, `StillAtWork`, `NoKey`, `NotOurs`."""
    manifest = Manifest.read(folder, lambda done, total: on_progress("files checked", done, total))
    secrets = Manifest.read(keys) if keys is not None else None
    key = _key_of(manifest, config, keys)
    url = database_url(config)
    with psycopg.connect(url) as connection:
        require_nobody_at_work(connection)
        there = sorted(set(schemas(connection)) & {*manifest.schemas, parts.key_schema})
        if there:
            raise DatabaseNotEmpty(f"the database has {', '.join(there)} already: put a copy back into an empty one")
    put_topics_back(
        config,
        folder / TOPICS,
        manifest.topics,
        lambda done, total: on_progress("records of the log", done, total),
        key,
    )
    on_progress("PostgreSQL", 0, 1)
    with opened(folder / DUMP, key, config.home) as file:
        put_back(url, file, manifest.roles)
    if keys is not None and secrets is not None:
        if KEYS_DUMP in secrets.files:
            put_back(url, keys / KEYS_DUMP, ())
        for name in secrets.files:
            if name != KEYS_DUMP:
                _copy_file(keys / name, config.home / name, 0o600)
    on_progress("PostgreSQL", 1, 1)
    _copy_tree(folder / EVIDENCE, parts.evidence, partial(_open, key))
    if (folder / BLOBS).exists():
        if parts.blobs is None:
            raise BadCopy(f"the copy has documents in {folder / BLOBS}: put them into the store of documents by hand")
        _copy_tree(
            folder / BLOBS, parts.blobs, partial(_open, key), lambda done, total: on_progress("documents", done, total)
        )
    return manifest


def open_copy(config: Settings, folder: Path, target: Path, keys: Path | None = None) -> Manifest:
    """Write the files of a sealed copy to another folder, new or empty, as they were before; that is a copy as well, of
    the form that any program reads. Raises `BadCopy`, `FolderInUse`, `NoKey`, `NotOurs`."""
    manifest = Manifest.read(folder)
    key = _key_of(manifest, config, keys)
    if target.exists() and any(target.iterdir()):
        raise FolderInUse(f"{target} is not empty")
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o700)
    for name in manifest.files:
        _open(key, folder / name, target / name)
    manifest.key_id = None
    manifest.write(target)
    return manifest


def _key_of(manifest: Manifest, config: Settings, keys: Path | None) -> CopyKey | None:
    """What the files of a copy are sealed with. Raises `NoKey`, `NotOurs`."""
    if manifest.key_id is None:
        return None
    key = copy_key(config, keys)
    if key.id != manifest.key_id:
        raise NotOurs(
            f"the copy is sealed with the key {manifest.key_id}, and here is {key.id}: name the folder of keys that "
            "was taken with the copy (--keys), or the file of its key (POSTAVKA_BACKUP_KEY)"
        )
    return key


def _copy_secrets(home: Path, keys: Path) -> None:
    for pattern in SECRETS:
        for file in home.glob(pattern):
            if file.is_file():
                _copy_file(file, keys / file.relative_to(home), 0o600)


def _seal(key: CopyKey, source: Path, target: Path) -> None:
    with source.open("rb") as plain, Sealing(target, key) as sealed:
        shutil.copyfileobj(plain, sealed)


def _open(key: CopyKey | None, source: Path, target: Path) -> None:
    if key is None:
        _copy_file(source, target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as plain:
        unseal(source, key, plain)
        plain.flush()
        os.fsync(plain.fileno())


def _copy_tree(
    source: Path,
    target: Path,
    copy: Callable[[Path, Path], None],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Copy files that only grow, or never change; in the order of their names, so that of a log's evidence the hashes
    of
    leaves come after the checkpoints that cover them. One that is being written (its name begins with a point) is left
    out: it may be gone by the time that it is read."""
    found = sorted(source.rglob("*")) if source.exists() else []
    files = [file for file in found if not file.name.startswith(".") and file.is_file()]
    for done, file in enumerate(files, 1):
        copy(file, target / file.relative_to(source))
        on_progress(done, len(files))


def _copy_file(source: Path, target: Path, mode: int | None = None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode is not None:
        target.touch(mode=mode)
    shutil.copyfile(source, target)
    with target.open("rb") as copied:
        os.fsync(copied.fileno())


__all__ = ["FILE", "BadCopy", "Parts", "back_up", "restore"]
