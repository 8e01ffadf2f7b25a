"""`postavka rebuild`: a read model anew from the log; or one half of everything from the other."""

from __future__ import annotations

from collections.abc import Callable

from cyclopts import App

from events.topics import topic_names
from postavka.app.cli.stores import servers, stages
from postavka.app.migrations import migrate_all
from postavka.app.registry import read_models
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.backup.rebuild import rebuild_stores, rebuild_topics
from postavka.kernel.console import console, progress
from postavka.kernel.projection.command import build
from postavka.kernel.projection.read_model import find
from postavka.kernel.projection.rebuild import rebuild as build_anew
from postavka.kernel.settings import database_url
from services.audit.integrity.checkpoints import bring_back_checkpoints, publish_checkpoints

rebuild = App(
    name="rebuild",
    help="""Build a read model anew from the log, while everything works: cabinet, payments, papers, notices, or all.

`database` and `topics` are for when only one half is left: PostgreSQL from the topics, or the topics from it.""",
)

READ_MODELS = read_models()


def _command(name: str) -> Callable[..., None]:
    def command(*, processes: int | None = None, json: bool = False) -> None:
        build({name: READ_MODELS[name][0]}, processes, json)

    command.__doc__ = f"""Build anew: {READ_MODELS[name][1]}. The old tables serve until the new ones take their place.

    Parameters
    ----------
    processes
        How many read side by side; by default one for each processor, at most two.
    json
        Print the result as JSON.
    """
    return command


for _name in READ_MODELS:
    rebuild.command(_command(_name), name=_name)


@rebuild.command(name="all")
def everything(*, processes: int | None = None, json: bool = False) -> None:
    """Build every read model anew, one after another.

    Parameters
    ----------
    processes
        How many read side by side.
    json
        Print the results as JSON.
    """
    build({name: address for name, (address, _) in READ_MODELS.items()}, processes, json)


@rebuild.command
def database() -> None:
    """Build the stages' stores and what is folded from the log from the topics alone. Stop all services first; servers
    of this folder are started for it.

    Reference data and accounts are not on the log: load them (`postavka reference load`), or restore a copy.
    """
    with servers() as config, progress() as on_progress:
        migrate_all(database_url(config))
        rebuilt = rebuild_stores(config, stages(), on_progress)
        report = build_anew(
            config,
            find(READ_MODELS["cabinet"][0]),
            lambda what, done, total: on_progress(f"cabinet: {what}", done, total),
        )
        checkpoints = bring_back_checkpoints(config)
        has_reference = bool(distributor_ids(database_url(config)))
    for stage, count in rebuilt.events.items():
        console.print(f"{stage}: {count} events")
    requests = report.rows["requests"]
    console.print(f"{rebuilt.dead_letters} dead letters, {requests} requests in the cabinet, {checkpoints} checkpoints")
    console.print("Other read models are built when their services start.")
    if not has_reference:
        console.print("[yellow]No reference data[/]: `postavka reference load FILE` before you start the services.")


@rebuild.command
def topics() -> None:
    """Make topics that are missing or empty, and fill the stages' from their stores. Stop all services first; servers
    of this folder are started for it.

    What outsiders wrote (commands, confirmations, payments) lies nowhere else: those topics begin anew, behind the
    offsets that were handled. What had been handled is in the stores; what had not must be sent again.
    """
    with servers() as config, progress() as on_progress:
        names = topic_names(distributor_ids(database_url(config)))
        rebuilt = rebuild_topics(config, stages(), names, on_progress)
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
