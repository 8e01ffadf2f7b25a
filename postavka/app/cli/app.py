"""The command `postavka`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cyclopts import App
from rich.markup import escape

from postavka.app.registry import COMMANDS, load
from postavka.kernel.console import console, errors, table
from postavka.kernel.errors import UserError
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import settings

if TYPE_CHECKING:
    from postavka.app.one_box.launcher import Launch

app = App(
    name="postavka",
    help="""Electronic deliveries of support services, from a partner's request to activation.

Start with `postavka demo`, and look around from another terminal:

    postavka doctor                           is everything well?
    postavka log tail                         events as they happen
    postavka cabinet show --partner lukomor   what a partner sees
    postavka request submit --help            send a request of your own

The commands find the servers that run in this folder; KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name others.""",
)


def add_commands(called: str | None = None) -> App:
    """Add them all, but import only the one that was called: importing all takes longer than most commands do."""
    known = set(app)
    for name, (address, line) in COMMANDS.items():
        if name == called:
            app.command(load(address))
        elif name not in known:
            app.command(address, name=name, help=line)
    return app


@app.command
def up() -> None:
    """Start servers and services, and stay up until Ctrl-C.

    Kafka and PostgreSQL run on this machine, with their data in this folder: the next start goes on with the same log.
    With KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL set, those servers are used instead. A database without reference data
    gets the sample. What dies is started again; the logs are in .postavka/log.
    """
    from postavka.app.one_box.launcher import Launch

    with Launch(settings(), Spoken()) as launch:
        _say_what_runs(launch)
        _wait_for_interrupt()


@app.command
def demo(*, stay: bool = True) -> None:
    """Start everything and walk real requests on sample data through the log, event by event.

    Parameters
    ----------
    stay
        Stay up afterwards until Ctrl-C; with --no-stay, stop.
    """
    from postavka.app.one_box.demo import walk
    from postavka.app.one_box.launcher import Launch

    with Launch(settings(), Spoken()) as launch:
        walk(launch.config)
        if stay:
            _say_what_runs(launch)
            _wait_for_interrupt()


@app.command
def topics(*, repair: bool = False, set_back: bool = False) -> None:
    """Create what topics are missing, with one for each distributor of the reference data.

    Parameters
    ----------
    repair
        Give topics that exist the settings that they must have, where `postavka doctor` finds them wrong.
    set_back
        Let partitions be read again that have lost their end and are held: checkpoints are set back, and the readers
        start anew by themselves.
    """
    from events.topics import topic_names
    from postavka.domain.reference.store import distributor_ids
    from postavka.kernel.installation import held
    from postavka.kernel.log.record import partition_name
    from postavka.kernel.log.topics import ensure_topics, repair_topics
    from postavka.kernel.runtime.connection import connected
    from postavka.kernel.settings import database_url

    config = connected()
    names = topic_names(distributor_ids(database_url(config)))
    made = ensure_topics(config, names)
    console.print("\n".join(made) if made else "all topics are there")
    for topic, values in repair_topics(config, names).items() if repair else ():
        was = ", ".join(f"{name}={value}" for name, value in values.items())
        console.print(f"{topic}: set right (was {was})", highlight=False)
    if set_back:
        moved = held.set_back(config)
        for each, offset in moved.items():
            place = partition_name(*each.place)
            console.print(f"{place}: {each.reader} reads from offset {offset + 1} on", highlight=False)
        console.print("ask the senders for what they sent before, and was lost" if moved else "nothing is held")


@app.command
def contract(folder: Path) -> None:
    """Write the contract's JSON Schemas and the AsyncAPI document to a folder.

    Parameters
    ----------
    folder
        Where to; made if need be.
    """
    from events.export import export

    for path in export(folder):
        console.print(str(path), highlight=False)


def main() -> None:
    """Entry point: errors a person can do something about are one line, not a traceback."""
    try:
        add_commands(next(iter(sys.argv[1:]), None))()
    except UserError as known:
        _end(str(known))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if (explained := _explained(error)) is None:
            raise
        _end(explained)


def _explained(error: Exception) -> str | None:
    """The sentence that tells of a library's error; None for a defect of ours. Libraries are imported here for the same
    reason: whatever raised an error has imported its library."""
    import psycopg
    from confluent_kafka import KafkaException
    from pydantic import ValidationError

    from events.registry import explain
    from postavka.domain.reference.file import ReferenceFileError

    if isinstance(error, ReferenceFileError):
        return str(error)
    if isinstance(error, ValidationError):
        return explain(error)
    if isinstance(error, psycopg.OperationalError):
        return f"PostgreSQL: {error}. `postavka doctor` looks at everything."
    if isinstance(error, KafkaException):
        return f"Kafka: {error.args[0].str()}. `postavka doctor` looks at everything."
    return None


def _end(message: str) -> NoReturn:
    errors.print(f"[red]{escape(message)}[/]", highlight=False, soft_wrap=True)
    sys.exit(2)


def _say_what_runs(launch: Launch) -> None:
    from postavka.app.one_box.banner import sign_in, unfinished, who_signs_in
    from postavka.kernel.settings import database_url

    shown = table("At work (health and metrics)", "service", "health", "metrics")
    for name, port in launch.ports.items():
        base = f"http://127.0.0.1:{port}"
        shown.add_row(name.removesuffix(".http"), f"{base}/healthz", f"{base}/metrics")
    console.print(shown)
    if (pages := launch.ports.get("web.http")) is not None:
        console.print(f"The cabinet: [bold]http://127.0.0.1:{pages}/[/]", highlight=False)
        console.print(sign_in(who_signs_in(database_url(launch.config))), highlight=False)
    if (upgrade := unfinished(database_url(launch.config))) is not None:
        console.print(upgrade)
    console.print("Ctrl-C stops everything. `postavka log tail` in another terminal shows what happens.")


def _wait_for_interrupt() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print()
