"""`python -m bench.auditing`: rebuild, verify, replay, as-of and export on a large log, next to what Kafka and
PostgreSQL do alone in the same run."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from cyclopts import App
from rich.console import Console
from rich.table import Table

from bench.__main__ import JARS
from bench.load import PARTNER, Load
from bench.many import model_of, multiply
from postavka.app.one_box.launcher import Launch
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.projection.rebuild import rebuild
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import PARTITIONS, Settings, database_url, settings
from postavka.kernel.store.session import open_session
from services.audit.history.as_of import as_of
from services.audit.history.history import history
from services.audit.reading import TOPIC_OF
from services.audit.replay.replay import ReplayOrder, replay
from services.audit.verification.verify import verify
from services.cabinet.rebuild import MODEL

app = App(help=__doc__)
PARTNERS_REQUESTS = 2_000
"""Requests of the partner whose cabinet is folded as of a moment."""


@app.default
def main(*, events: int = 1_000_000, keep: Path | None = None, json: bool = False) -> None:
    """Measure the auditor.

    Parameters
    ----------
    events: About how many events the log is to have.
    keep: A home folder to make the log in, and to leave it; one that has a log already is measured as it is.
    json: Print the figures as one JSON object.
    """
    home = keep or Path(tempfile.mkdtemp(prefix="postavka-bench-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    if not (home / "jars").exists():
        (home / "jars").symlink_to(JARS.resolve())
    progress = Spoken()
    try:
        config = settings().model_copy(update={"home": home})
        services = () if (home / "made").exists() else None
        with Launch(config, progress) if services is None else Launch(config, progress, services) as launch:
            if services is None:
                _make(launch, events, progress)
                (home / "made").touch()
            figures = measure(launch.config, progress)
            launch.close()
            if keep is None:
                launch.remove_data()
    finally:
        if keep is None:
            shutil.rmtree(home, ignore_errors=True)
    if json:
        print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(figures)


def _make(launch: Launch, events: int, progress: Spoken) -> None:
    with progress.step("real requests to copy"):
        load = Load(launch.config, direct=20)
        load.run(50, None)
        load.close()
        time.sleep(3)
        for name in launch.services:
            launch.processes.stop(name)
    with progress.step(f"{events} events"):
        chosen = list(load.result.sent)[10:30]
        models = [model_of(launch.config, UUID(request)) for request in chosen]
        multiply(launch.config, models, events)


def measure(config: Settings, progress: Spoken) -> dict[str, Any]:
    """The figures of all that the auditor does."""
    found: dict[str, Any] = {}

    def timed(name: str, function: Callable[[], Any]) -> Any:
        with progress.step(name):
            started = time.perf_counter()
            result = function()
            found[name] = round(time.perf_counter() - started, 2)
        return result

    found["events"] = timed("consume alone", lambda: _consume(config))
    timed("rows by COPY alone", lambda: _copy(config))
    report = timed("rebuild", lambda: rebuild(config, MODEL))
    found["rows"] = report.rows["requests"]
    timed("rows by COPY alone, rebuilt", lambda: _copy(config))
    verified = timed("verify", lambda: verify(config))
    found["problems"] = verified.findings.counts
    timed("replay", lambda: found.update(replayed=replay(config, ReplayOrder()).different))
    with open_session(database_url(config), {"app.scope": "all"}) as connection:
        rows = connection.execute(
            "SELECT request_id FROM cabinet.requests WHERE partner_id = %s LIMIT %s", (PARTNER, PARTNERS_REQUESTS)
        ).fetchall()
    requests = [row[0] for row in rows]
    now = datetime.now(UTC)
    timed("as of now, one request", lambda: list(as_of(config, now, requests=requests[:1])))
    timed(f"as of now, {len(requests)} requests", lambda: list(as_of(config, now, requests=requests)))
    timed("history of one request", lambda: history(config, requests[0]))
    return found


def _consume(config: Settings) -> int:
    """What the range reader gives, all stage topics, one process."""
    places = {(topic, number): 0 for topic in TOPIC_OF.values() for number in range(PARTITIONS)}
    return sum(map(len, read_records(config, places)))


def _copy(config: Settings) -> None:
    """The cabinet's rows, copied out and into a table like it, without indexes: what COPY takes of a rebuild."""
    with open_session(database_url(config), {"app.scope": "all"}) as connection:
        columns = "request_id, request, approval, billing, shipping, activation"
        connection.execute("CREATE TEMP TABLE copied (LIKE cabinet.requests INCLUDING GENERATED)")
        with connection.cursor().copy(f"COPY (SELECT {columns} FROM cabinet.requests) TO STDOUT") as out:  # noqa: S608
            data = b"".join(out)
        with connection.cursor().copy(f"COPY copied ({columns}) FROM STDIN") as into:
            for start in range(0, len(data), 1_000_000):
                into.write(data[start : start + 1_000_000])
        connection.rollback()


def _show(found: dict[str, Any]) -> None:
    shown = Table(title=f"{found['events']:,} events", title_justify="left")
    shown.add_column("what")
    shown.add_column("seconds", justify="right")
    shown.add_column("events/s", justify="right")
    for name, value in found.items():
        if isinstance(value, float):
            many = name.startswith(("consume", "rebuild", "verify", "replay"))
            shown.add_row(name, f"{value:.2f}", f"{found['events'] / value:,.0f}" if many and value else "")
    Console().print(shown)
    Console().print({name: value for name, value in found.items() if not isinstance(value, float)})


if __name__ == "__main__":
    app()
