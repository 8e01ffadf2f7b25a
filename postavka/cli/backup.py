"""`postavka backup`, `restore`, `rebuild`: copies of everything, and building one half from the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cyclopts import App
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from postavka.backup.whole import Parts
from postavka.cli.connection import connected
from postavka.cli.output import console, errors, print_json
from postavka.settings import Settings, settings
from postavka.stage.definition import Stage

rebuild = App(name="rebuild", help="When only one half is left: PostgreSQL from the topics, or the topics from it.")

Told = Callable[[str, int, int], None]


def backup(folder: Path, *, keys: Path | None = None, json: bool = False) -> None:
    """Take a copy of everything while it works: PostgreSQL, topics, documents, evidence.

    Parameters
    ----------
    folder
        Where to; new or empty.
    keys
        Another folder, for what must not lie beside the rest: the keys of personal data, the key that signs
        checkpoints, other secrets. Keep it elsewhere, and not for long: an erased person's key lives on in old copies.
    json
        Print the result as JSON.
    """
    from postavka.backup.whole import back_up

    config = connected()
    with _progress() as told:
        manifest = back_up(config, folder, parts(config), keys, told)
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
        console.print("Without keys: personal data in this copy can't be read. --keys FOLDER copies them elsewhere.")


def restore(folder: Path, *, keys: Path | None = None, check: bool = False) -> None:
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
    """
    from postavka.backup.manifest import Manifest
    from postavka.backup.whole import restore as put_back

    with _progress() as told:
        if check:
            manifest = Manifest.read(folder, lambda done, total: told("files checked", done, total))
            console.print(f"{folder} is whole: {len(manifest.files)} files, taken {manifest.taken_at}", highlight=False)
            return
        with servers() as config:
            manifest = put_back(config, folder, parts(config), keys, told)
            records = sum(each.records for partitions in manifest.topics.values() for each in partitions.values())
            purged = forget_erased(config)
    console.print(f"back from {folder}: {records} records, schemas {', '.join(manifest.schemas)}", highlight=False)
    if purged:
        console.print(f"{purged} keys that had been destroyed came back with the copy and are destroyed again")
    console.print("Start the services now; `postavka audit verify` compares everything.")


@rebuild.command
def database() -> None:
    """Build the stages' stores and what is folded from the log from the topics alone. Stop all services first.

    Reference data and accounts are not on the log: load them (`postavka reference load`), or restore a copy.
    """
    from postavka.backup.rebuild import rebuild_stores
    from postavka.settings import database_url
    from services.audit.checkpoints import bring_back_checkpoints
    from services.cabinet.rebuild import rebuild as rebuild_cabinet

    config = connected()
    with _progress() as told:
        rebuilt = rebuild_stores(config, stages(), told)
        report = rebuild_cabinet(config, lambda done, total: told("cabinet", done, total))
        checkpoints = bring_back_checkpoints(config)
    for stage, count in rebuilt.events.items():
        console.print(f"{stage}: {count} events")
    console.print(
        f"{rebuilt.dead_letters} dead letters, {report.rows} requests in the cabinet, {checkpoints} checkpoints"
    )
    left = _left_alone(database_url(config))
    console.print("Other read models are built when their services start." if left else "")
    if "reference" not in left:
        console.print("[yellow]No reference data[/]: `postavka reference load FILE` before you start the services.")


@rebuild.command
def topics() -> None:
    """Make topics that are missing or empty, and fill the stages' from their stores. Stop all services first.

    What outsiders wrote (commands, confirmations, payments) lies nowhere else: those topics begin anew, behind the
    offsets that were handled. What had been handled is in the stores; what had not must be sent again.
    """
    from events.topics import topic_names
    from postavka.backup.rebuild import rebuild_topics
    from postavka.settings import database_url
    from services.audit.checkpoints import publish_checkpoints
    from services.reference.store import distributor_ids

    config = connected()
    names = topic_names(distributor_ids(database_url(config)))
    with _progress() as told:
        rebuilt = rebuild_topics(config, stages(), names, told)
        checkpoints = publish_checkpoints(config) if "audit.checkpoints" in rebuilt.made else 0
    for topic, count in rebuilt.events.items():
        console.print(f"{topic}: {count} records published")
    if checkpoints:
        console.print(f"audit.checkpoints: {checkpoints} records published")
    for topic, count in rebuilt.lost.items():
        console.print(f"[yellow]{topic}: {count} records are gone[/]; new ones go on behind them")
    if rebuilt.dead_letters:
        console.print(f"{rebuilt.dead_letters} dead letters are published again when the services start")
    if not rebuilt.events and not rebuilt.lost:
        console.print("every topic has records: nothing to do")


def stages() -> list[Stage]:
    """Everybody who keeps a store and publishes from it."""
    from services.activation.stage import STAGE as activation
    from services.approval.stage import STAGE as approval
    from services.billing.stage import STAGE as billing
    from services.request.stage import STAGE as request
    from services.shipping.stage import STAGE as shipping

    ops = Stage("ops", list, None, lambda *_: (), lambda state, _: state)
    return [request, approval, billing, shipping, activation, ops]


def parts(config: Settings) -> Parts:
    """What lies where, by the settings."""
    from events.topics import CHECKPOINTS
    from services.audit.settings import AuditSettings

    blobs = config.blobs or str(config.home / "blobs")
    return Parts(
        evidence=AuditSettings().evidence_folder(config),
        blobs=None if blobs.startswith("s3://") else Path(blobs),
        first_topics=(CHECKPOINTS.name,),
    )


def forget_erased(config: Settings) -> int:
    """Keys that were destroyed and came back with a copy are destroyed again; how many."""
    from postavka.privacy.erasing import destroy_again
    from postavka.privacy.vault import open_vault

    return destroy_again(config, open_vault(config))


@contextmanager
def servers() -> Iterator[Settings]:
    """Servers to restore into: named ones, those that run here, or those of this folder, started for the time."""
    from postavka.runtime.embedded import EmbeddedServers, running
    from postavka.runtime.progress import Spoken

    config = settings()
    if (config.kafka_bootstrap_servers and config.database_url) or running(config.home):
        yield connected()
        return
    with EmbeddedServers(config.home) as embedded:
        yield Settings(**embedded.start(Spoken()).settings())


def _left_alone(url: str) -> list[str]:
    import psycopg

    from postavka.backup.database import schemas

    with psycopg.connect(url) as connection:
        return schemas(connection)


@contextmanager
def _progress() -> Iterator[Told]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        tasks = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
            bar.update(tasks[what], completed=done, total=max(total, 1))

        yield told
