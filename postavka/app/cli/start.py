"""`postavka up` and `postavka demo`: everything on this machine."""

from __future__ import annotations

import threading

from postavka.app.one_box.banner import sign_in, unfinished, who_signs_in
from postavka.app.one_box.demo import walk
from postavka.app.one_box.launcher import Launch
from postavka.kernel.console import console, table
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import database_url, settings


def up() -> None:
    """Start servers and services, and stay up until Ctrl-C.

    Kafka and PostgreSQL run on this machine, with their data in this folder: the next start goes on with the same log.
    With KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL set, those servers are used instead. A database without reference data
    gets the sample. What dies is started again; the logs are in .postavka/log.
    """
    with Launch(settings(), Spoken()) as launch:
        _say_what_runs(launch)
        _wait_for_interrupt()


def demo(*, stay: bool = True) -> None:
    """Start everything and walk real requests on sample data through the log, event by event.

    Parameters
    ----------
    stay
        Stay up afterwards until Ctrl-C; with --no-stay, stop.
    """
    with Launch(settings(), Spoken()) as launch:
        walk(launch.config)
        if stay:
            _say_what_runs(launch)
            _wait_for_interrupt()


def _say_what_runs(launch: Launch) -> None:
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
