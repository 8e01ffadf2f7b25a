"""`postavka backup`, `restore`: copies of everything."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from events.topics import CHECKPOINTS
from postavka.app.cli.stores import servers
from postavka.kernel.backup.manifest import Manifest
from postavka.kernel.backup.parts import Parts
from postavka.kernel.backup.whole import back_up, open_copy
from postavka.kernel.backup.whole import restore as put_back
from postavka.kernel.cli_options import Json
from postavka.kernel.console import console, print_json, progress
from postavka.kernel.privacy.installation_keys import MIGRATIONS, SCHEMA
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import Settings, database_url, settings
from postavka.kernel.store.migration import migrate
from services.audit.settings import AuditSettings
from services.privacy.erasing import destroy_again


def backup(folder: Path, *, dated: bool = False, keys: Path | None = None, json: Json = False) -> None:
    """Take a copy of everything while it works: PostgreSQL, topics, documents, evidence. Its files are encrypted.

    Parameters
    ----------
    folder
        Where to; new or empty.
    dated
        Make a folder in it, called after the moment: for copies that a timer takes.
    keys
        Another folder, for what must not lie beside the rest: the keys of personal data, the key that signs
        checkpoints, other secrets. Keep it elsewhere, and not for long: an erased person's key lives on in old copies.
    """
    config = connected()
    if dated:
        folder /= datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    with progress() as on_progress:
        manifest = back_up(config, folder, parts(config), keys, on_progress)
    records = sum(each.records for partitions in manifest.topics.values() for each in partitions.values())
    size = sum((folder / name).stat().st_size for name in manifest.files)
    if json:
        print_json({"folder": str(folder), "records": records, "topics": len(manifest.topics), "bytes": size})
        return
    console.print(
        f"{folder}: {records} records of {len(manifest.topics)} topics, {len(manifest.schemas)} schemas, "
        f"{size / 1e6:.1f} MB",
        highlight=False,
    )
    if keys is None:
        console.print(
            "Its key is not in it, and nothing in it can be read without: --keys FOLDER copies all keys elsewhere."
        )


def restore(folder: Path, *, keys: Path | None = None, check: bool = False, plain: Path | None = None) -> None:
    """Put a copy back, into an empty database and an empty broker: those that the environment names, or those of this
    folder, which are started for it. Then start the services: they mend the seam.

    Parameters
    ----------
    folder
        The copy.
    keys
        The folder of keys that was taken with it.
    check
        Only check that the copy is whole.
    plain
        Only write the copy's files to this folder, new or empty, as they were before they were encrypted.
    """
    with progress() as on_progress:
        if check:
            manifest = Manifest.read(folder, lambda done, total: on_progress("files checked", done, total))
            console.print(f"{folder} is whole: {len(manifest.files)} files, taken {manifest.taken_at}", highlight=False)
            return
        if plain is not None:
            manifest = open_copy(settings(), folder, plain, keys)
            console.print(f"{plain}: {len(manifest.files)} files in the clear; delete them when done", highlight=False)
            return
        with servers() as config:
            manifest = put_back(config, folder, parts(config), keys, on_progress)
            records = sum(each.records for partitions in manifest.topics.values() for each in partitions.values())
            purged = forget_erased(config) if keys is not None else 0
    console.print(f"back from {folder}: {records} records, schemas {', '.join(manifest.schemas)}", highlight=False)
    if purged:
        console.print(f"{purged} keys that had been destroyed came back with the copy and are destroyed again")
    console.print(
        "Run `postavka migrate` (`postavka up` does), start the services; `postavka audit verify` compares everything."
    )


def parts(config: Settings) -> Parts:
    """What lies where, by the settings."""
    blobs = config.blobs or str(config.home / "blobs")
    return Parts(
        evidence=AuditSettings().evidence_folder(config),
        blobs=None if blobs.startswith("s3://") else Path(blobs),
        first_topics=(CHECKPOINTS.name,),
    )


def forget_erased(config: Settings) -> int:
    """Keys that were destroyed and came back with a copy are destroyed again; how many."""
    migrate(database_url(config), SCHEMA, MIGRATIONS)  # the copy may be of an earlier release
    return destroy_again(config, open_vault(config))
