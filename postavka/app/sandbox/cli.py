"""`postavka sandbox`: what a year of services would bring, told in a minute."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import orjson

from postavka.app.installation_keys import make_missing
from postavka.app.migrations import migrate_all
from postavka.app.one_box.launcher import SAMPLE
from postavka.app.sandbox.oracle import OracleVerdict, expected, verdict
from postavka.app.sandbox.plan import sold_services
from postavka.app.sandbox.year import TurnedClock, days_between
from postavka.domain.calendar import today
from postavka.domain.reference.file import read_file
from postavka.domain.reference.store import current, load
from postavka.kernel.cli_options import Json
from postavka.kernel.console import console, print_json, progress, table
from postavka.kernel.errors import UserError
from postavka.kernel.on_progress import OnProgress
from postavka.kernel.runtime.database import DatabaseServer
from postavka.kernel.runtime.ports import SERVER_PORTS, choose_ports
from postavka.kernel.runtime.processes import Processes, Program
from postavka.kernel.settings import Settings, database_url, settings
from services.renewal.settings import RenewalSettings

REMEMBERED = "sandbox.json"
"""In the home folder: what is being run, and its last whole day."""
LONGEST_DAYS = 5 * 366


class NotThisSandbox(UserError):
    """The folder holds another sandbox, or something else."""


@dataclass(frozen=True, slots=True)
class SandboxRun:
    """A run as its folder remembers it; days in ISO 8601. `lived`: the last whole day, empty before the first."""

    services: int
    begins: str
    until: str
    lived: str = ""


def sandbox(
    *, until: str, services: int = 10_000, home: Path = Path("sandbox"), again: bool = False, json: Json = False
) -> None:
    """Let so many services run until a day, day by day: reminders, letters, renewals, ends.

    Stage, stores and letters are those of an installation, on a PostgreSQL of its own in this folder; Kafka is left
    out, the clock is turned, and nothing leaves the machine: letters are written and sent to nobody. An oracle that
    knows the plan alone then says whether each reminder came once and on its day. A run that was stopped or killed goes
    on when it is called again. Ends with 1 when the oracle finds something.

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
    wanted = SandboxRun(services, today().isoformat(), _day(until).isoformat())
    if again and (home / REMEMBERED).exists():
        DatabaseServer(home / "postgres", 0).remove()
        shutil.rmtree(home)
    with _database(home) as config, progress() as tell:
        found = run(config, _remembered(home, wanted), home / REMEMBERED, tell)
    if json:
        print_json(_as_json(found))
    else:
        _show(found)
    if not found.is_right:
        raise SystemExit(1)


def run(config: Settings, wanted: SandboxRun, file: Path, tell: OnProgress) -> OracleVerdict:
    """Live the days that are left of it, and ask the oracle."""
    url, begins, until = database_url(config), date.fromisoformat(wanted.begins), date.fromisoformat(wanted.until)
    plan = list(sold_services(wanted.services, begins, until))
    world = TurnedClock(config, current(url), plan, begins)
    first = date.fromisoformat(wanted.lived) + timedelta(days=1) if wanted.lived else begins
    world.resume(first)
    days = list(days_between(first, until))
    for number, day in enumerate(days, 1):
        world.live(day)
        _remember(file, SandboxRun(wanted.services, wanted.begins, wanted.until, day.isoformat()))
        tell(f"{day:%Y-%m}", number, len(days))
    return verdict(url, expected(plan, RenewalSettings(_env_file=None).reminder_ladder, begins, until))


@contextmanager
def _database(home: Path) -> Iterator[Settings]:
    """A PostgreSQL of this folder, with all schemas, keys and the sample; its settings are this process's."""
    home.mkdir(parents=True, exist_ok=True)
    port = choose_ports(home / SERVER_PORTS, ("postgres",))["postgres"]
    server = DatabaseServer(home / "postgres", port)
    server.prepare()
    program = Program("postgres", server.argv(), "servers", stop_signal="INT", user=server.user)
    with Processes(home, [program]) as processes:
        processes.start("postgres")
        server.wait_until_ready()
        own = {"DATABASE_URL": server.url, "POSTAVKA_HOME": str(home), "POSTAVKA_MAKE_KEYS": "true"}
        os.environ |= own
        settings.cache_clear()
        migrate_all(server.url)
        make_missing(settings())
        load(server.url, read_file(SAMPLE), "sandbox")
        yield settings()


def _remembered(home: Path, wanted: SandboxRun) -> SandboxRun:
    file = home / REMEMBERED
    if not file.exists():
        _remember(file, wanted)
        return wanted
    before = SandboxRun(**orjson.loads(file.read_bytes()))
    if (before.services, before.until) != (wanted.services, wanted.until):
        raise NotThisSandbox(f"{home} holds a sandbox of {before.services} services until {before.until}; say --again")
    return before


def _remember(file: Path, run: SandboxRun) -> None:
    new = file.with_suffix(".new")
    new.write_bytes(orjson.dumps(asdict(run)))
    new.replace(file)


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
