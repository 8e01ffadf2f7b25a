"""The command `postavka`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import NoReturn

import psycopg
from confluent_kafka import KafkaException
from cyclopts import App
from pydantic import ValidationError
from rich.markup import escape

from events.registry import explain
from postavka.cli.accounts import token, user
from postavka.cli.acls import acls
from postavka.cli.audit import audit
from postavka.cli.backup import backup, restore
from postavka.cli.cabinet import cabinet
from postavka.cli.connection import connected
from postavka.cli.distributor import distributor
from postavka.cli.doctor import doctor
from postavka.cli.documents import counterparty, documents, postal
from postavka.cli.events import log
from postavka.cli.letters import letters
from postavka.cli.notices import notices
from postavka.cli.ops import ops, top
from postavka.cli.output import console, errors, table
from postavka.cli.payments import payments, statement
from postavka.cli.privacy import privacy
from postavka.cli.rebuild import rebuild
from postavka.cli.reconcile import reconcile
from postavka.cli.reference import reference
from postavka.cli.send import activate, confirm, pay, request, sign
from postavka.runtime.progress import Spoken
from postavka.settings import settings
from postavka.trouble import Trouble
from services.reference.file import ReferenceFileError

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
PARTS = (
    request,
    cabinet,
    documents,
    postal,
    counterparty,
    log,
    letters,
    ops,
    payments,
    statement,
    reference,
    distributor,
    acls,
    notices,
    audit,
    privacy,
    rebuild,
    user,
    token,
)
for part in PARTS:
    app.command(part)
for command in (backup, restore, confirm, pay, activate, sign, reconcile, doctor, top):
    app.command(command)


@app.command
def up() -> None:
    """Start servers and services, and stay up until Ctrl-C.

    Kafka and PostgreSQL run on this machine, with their data in this folder: the next start goes on with the same log.
    With KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL set, those servers are used instead. A database without reference data
    gets the sample. What dies is started again; the logs are in .postavka/log.
    """
    from postavka.cli.launch import Launch

    with Launch(settings(), Spoken()) as launch:
        _say_what_runs(launch.ports)
        _wait_for_interrupt()


@app.command
def demo(*, stay: bool = True) -> None:
    """Start everything and walk real requests on sample data through the log, event by event.

    Parameters
    ----------
    stay
        Stay up afterwards until Ctrl-C; with --no-stay, stop.
    """
    from postavka.cli.demo import walk
    from postavka.cli.launch import Launch

    with Launch(settings(), Spoken()) as launch:
        walk(launch.config)
        if stay:
            _say_what_runs(launch.ports)
            _wait_for_interrupt()


@app.command
def topics() -> None:
    """Create what topics are missing, with one for each distributor of the reference data."""
    from events.topics import topic_names
    from postavka.log.topics import ensure_topics
    from postavka.settings import database_url
    from services.reference.store import distributor_ids

    config = connected()
    made = ensure_topics(config, topic_names(distributor_ids(database_url(config))))
    console.print("\n".join(made) if made else "all topics are there")


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
        app()
    except (Trouble, ReferenceFileError) as known:
        _end(str(known))
    except ValidationError as wrong:
        _end(explain(wrong))
    except psycopg.OperationalError as away:
        _end(f"PostgreSQL: {away}. `postavka doctor` looks at everything.")
    except KafkaException as away:
        _end(f"Kafka: {away.args[0].str()}. `postavka doctor` looks at everything.")
    except KeyboardInterrupt:
        sys.exit(130)


def _end(message: str) -> NoReturn:
    errors.print(f"[red]{escape(message)}[/]", highlight=False, soft_wrap=True)
    sys.exit(2)


def _say_what_runs(ports: dict[str, int]) -> None:
    shown = table("At work (health and metrics)", "service", "health", "metrics")
    for name, port in ports.items():
        base = f"http://127.0.0.1:{port}"
        shown.add_row(name.removesuffix(".http"), f"{base}/healthz", f"{base}/metrics")
    console.print(shown)
    if "web.http" in ports:
        _say_where_the_pages_are(ports["web.http"])
    console.print("Ctrl-C stops everything. `postavka log tail` in another terminal shows what happens.")


def _say_where_the_pages_are(port: int) -> None:
    from services.accounts.sample import PASSWORD

    console.print(f"The cabinet: [bold]http://127.0.0.1:{port}/[/]", highlight=False)
    console.print(
        "Sign in as lukomor or romashka-it (partners), dist-north (distributor), ops or auditor; the password of "
        f"these sample users is [bold]{PASSWORD}[/]",
        highlight=False,
    )


def _wait_for_interrupt() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print()
