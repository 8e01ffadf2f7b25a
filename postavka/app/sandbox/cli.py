"""`postavka sandbox`: what a year of services would bring, told in a minute."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from postavka.app.installation_keys import make_missing
from postavka.app.migrations import migrate_all
from postavka.app.one_box.launcher import SAMPLE
from postavka.app.sandbox.mail import letters_in
from postavka.app.sandbox.oracle import OracleVerdict, expected, verdict
from postavka.app.sandbox.shard import RUN, SandboxRun, letters_of, lived_of, remember, remembered
from postavka.domain.calendar import today
from postavka.domain.reference.file import read_file
from postavka.domain.reference.store import load
from postavka.kernel.cli_options import Json
from postavka.kernel.console import console, print_json, progress, table
from postavka.kernel.errors import UserError
from postavka.kernel.on_progress import OnProgress
from postavka.kernel.runtime.database import DATABASE, DatabaseServer
from postavka.kernel.runtime.ports import SERVER_PORTS, choose_ports
from postavka.kernel.runtime.processes import Processes, Program
from postavka.kernel.settings import settings
from services.renewal.settings import RenewalSettings

MOST_SHARDS, LEAST_SERVICES = 8, 50
"""Parts at most, and services that are worth one."""
LOOK_SECONDS = 0.2
CLOSE_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
LONGEST_DAYS = 5 * 366


class NotThisSandbox(UserError):
    """The folder holds another sandbox, or something else."""


class Stopped(UserError):
    """A part of the sandbox has stopped before its last day."""


def sandbox(
    *, until: str, services: int = 10_000, home: Path = Path("sandbox"), again: bool = False, json: Json = False
) -> None:
    """Let so many services run until a day, day by day: reminders, letters, renewals, ends.

    Stage, stores and letters are those of an installation, on a PostgreSQL of its own in this folder; Kafka is left
    out, the clock is turned, and nothing leaves the machine: letters go to a sink. An oracle that knows the plan alone
    then says whether each reminder came once and on its day. Services are spread over as many processes as there are
    processors. A run that was stopped or killed goes on when it is called again. Ends with 1 when the oracle finds
    something.

    Parameters
    ----------
    until
        The last day, `2027-12-31`; the first is today.
    services
        How many are sold; two of five are renewed in time, one late.
    home
        A folder of its own for the database.
    again
        Remove what the folder holds, and begin anew.
    json
        Print the counts as JSON.
    """
    wanted = SandboxRun(services, today().isoformat(), _day(until).isoformat(), _shards(services))
    if again and (home / RUN).exists():
        DatabaseServer(home / "postgres", 0).remove()
        shutil.rmtree(home)
    before = remembered(home)
    if before is not None and (before.services, before.until) != (wanted.services, wanted.until):
        raise NotThisSandbox(f"{home} holds a sandbox of {before.services} services until {before.until}; say --again")
    with _server(home) as server, progress() as tell:
        if before is None:
            _make_databases(server, home, wanted.shards)
            remember(home / RUN, wanted)
        found = _run(server, home, before or wanted, tell)
    if json:
        print_json(_as_json(found))
    else:
        _show(found)
    if not found.is_right:
        raise SystemExit(1)


def _run(server: DatabaseServer, home: Path, run: SandboxRun, tell: OnProgress) -> OracleVerdict:
    """Live the days that are left in every part at once, and ask the oracle. Raises `Stopped`."""
    begins, until = run.days
    shards, days = range(run.shards), (until - begins).days + 1
    with contextlib.ExitStack() as running:
        parts = [running.enter_context(_part(server, home, shard)) for shard in shards]
        while any(each.poll() is None for each in parts):
            time.sleep(LOOK_SECONDS)
            lived = [lived_of(home, shard) for shard in shards]
            tell("days", sum((each - begins).days + 1 for each in lived if each is not None), days * run.shards)
            if failed := [shard for shard, each in zip(shards, parts, strict=True) if each.poll()]:
                raise Stopped(f"part {failed[0]} has stopped: see {_log(home, failed[0])}")
    ladder = RenewalSettings(_env_file=None).reminder_ladder
    databases = [_url(server, shard) for shard in shards]
    letters = letters_in(letters_of(home, shard) for shard in shards)
    return verdict(databases, letters, expected(run.plan(), ladder, begins, until))


@contextmanager
def _part(server: DatabaseServer, home: Path, shard: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a part; it goes when this one goes, in whatever way."""
    argv = [sys.executable, "-m", "postavka.app.sandbox.shard", str(home), str(shard)]
    with _log(home, shard).open("ab") as log:
        part = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "postavka.kernel.runtime.parent_death", "--signal", "KILL", "--", *argv],
            stdout=log,
            stderr=log,
            env=os.environ | _environment(server, home, shard),
        )
    try:
        yield part
    finally:
        part.kill()
        part.wait()


@contextmanager
def _server(home: Path) -> Iterator[DatabaseServer]:
    """A PostgreSQL of this folder. It waits for no disk: only a machine that stops can take something from it, and then
    a sandbox is begun anew."""
    home.mkdir(parents=True, exist_ok=True)
    port = choose_ports(home / SERVER_PORTS, ("postgres",))["postgres"]
    server = DatabaseServer(home / "postgres", port)
    server.prepare()
    argv = [*server.argv(), "-c", "fsync=off", "-c", "full_page_writes=off"]
    program = Program("postgres", argv, "servers", stop_signal="INT", user=server.user)
    with Processes(home, [program]) as processes:
        processes.start("postgres")
        server.wait_until_ready()
        yield server


def _make_databases(server: DatabaseServer, home: Path, shards: int) -> None:
    """A database for each part, with all schemas, keys and the sample. What a start that was killed has left goes."""
    os.environ |= _environment(server, home, 0)
    settings.cache_clear()
    with psycopg.connect(make_conninfo(server.url, dbname="postgres"), autocommit=True) as connection:
        for shard in range(shards):
            name = Identifier(_name(shard))
            connection.execute(SQL("DROP DATABASE IF EXISTS {}").format(name))
            if shard == 0:
                connection.execute(SQL("CREATE DATABASE {}").format(name))
                migrate_all(_url(server, 0))
                make_missing(settings())
                load(_url(server, 0), read_file(SAMPLE), "sandbox")
                connection.execute(CLOSE_OTHERS, (_name(0),))  # a database in use is no template
            else:
                connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(name, Identifier(_name(0))))


def _environment(server: DatabaseServer, home: Path, shard: int) -> dict[str, str]:
    return {"DATABASE_URL": _url(server, shard), "POSTAVKA_HOME": str(home), "POSTAVKA_MAKE_KEYS": "true"}


def _name(shard: int) -> str:
    return f"sandbox_{shard}"


def _url(server: DatabaseServer, shard: int) -> str:
    return server.url.removesuffix(DATABASE) + _name(shard)


def _log(home: Path, shard: int) -> Path:
    return home / "log" / f"part-{shard}.log"


def _shards(services: int) -> int:
    """The number of parts: one for each processor, if there is something to do for each."""
    return max(1, min(len(os.sched_getaffinity(0)), MOST_SHARDS, services // LEAST_SERVICES))


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UserError(f"--until {text}: write a day like 2027-12-31") from None
    if not 0 < (day - today()).days <= LONGEST_DAYS:
        raise UserError(f"--until {text}: choose a day to come, within five years")
    return day


def _as_json(found: OracleVerdict) -> dict[str, object]:
    return {
        "reminders": {step: found.reminders[step] for step in sorted(found.reminders, key=int, reverse=True)},
        "letters": found.letters,
        "renewed": found.renewed,
        "lapsed": found.ended,
        "missing": len(found.missing),
        "surplus": len(found.surplus),
        "wrong_letters": len(found.wrong_letters),
    }


def _show(found: OracleVerdict) -> None:
    shown = table("What the year has brought", "what", "times")
    for step in sorted(found.reminders, key=int, reverse=True):
        shown.add_row(f"reminder {step} days before", str(found.reminders[step]))
    for what, times in (("letter", found.letters), ("renewed", found.renewed), ("lapsed", found.ended)):
        shown.add_row(what, str(times))
    console.print(shown)
    if found.is_right:
        console.print("The oracle agrees: each came once and on its day, none is missing, none is doubled.")
    for word, facts in (("missing", found.missing), ("too many", found.surplus), ("letters", found.wrong_letters)):
        if facts:
            console.print(f"{word}: {len(facts)}, such as {facts[:3]}")
