"""`make bench`: what the whole does on this machine, next to what Kafka and PostgreSQL do alone in the same run.

Compare ratios, not figures: a shared machine is another one an hour later.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from cyclopts import App
from rich.console import Console
from rich.table import Table

from bench.load import Load, Result
from bench.pages import ROWS, Pages, measure_pages
from bench.raw import Raw, measure
from postavka.cli.launch import Launch
from postavka.runtime.progress import Spoken
from postavka.settings import settings
from services.cabinet.rebuild import Report, rebuild

app = App(help=__doc__)
WARM_UP = 300
RATE = 100.0
JARS = Path(".postavka") / "jars"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run has measured. Rates are a second, times milliseconds."""

    requests: int
    completed_requests_per_second: float
    events_per_second: float
    approved_p50_ms: float
    approved_p99_ms: float
    rebuilt_events: int
    rebuilt_events_per_second: float
    raw_kafka_records_per_second: float
    raw_kafka_p50_ms: float
    raw_kafka_p99_ms: float
    raw_postgres_rows_per_second: float
    raw_postgres_commit_p50_ms: float
    raw_postgres_commit_p99_ms: float
    page_first_ms: float
    page_filtered_ms: float
    page_searched_ms: float
    page_not_found_ms: float
    page_deep_ms: float
    page_api_ms: float


@app.default
def bench(*, requests: int = 5_000, seconds: float = 20.0, json: bool = False) -> None:
    """Measure.

    Parameters
    ----------
    requests: Whole requests, from sending to activation, one in five a direct sale.
    seconds: How long the latency is measured, at 100 requests a second.
    json: Print the figures as one JSON object.
    """
    home = Path(tempfile.mkdtemp(prefix="postavka-bench-"))
    home.chmod(0o755)
    JARS.mkdir(parents=True, exist_ok=True)
    (home / "jars").symlink_to(JARS.resolve())
    progress = Spoken()
    try:
        with Launch(settings().model_copy(update={"home": home}), progress) as launch:
            config = launch.config
            with progress.step("warming up"):
                _load(launch, WARM_UP, None)
            with progress.step(f"{requests} requests as fast as they are taken"):
                started = time.monotonic()
                whole = _load(launch, requests, None)
                took = time.monotonic() - started
            with progress.step(f"{RATE:.0f} requests a second for {seconds:.0f} s"):
                steady = _load(launch, int(RATE * seconds), RATE)
            with progress.step("rebuilding the cabinet"):
                rebuilt = rebuild(config)
            with progress.step("Kafka and PostgreSQL alone"):
                raw = measure(config, whole.events, RATE, seconds / 2)
            with progress.step(f"pages of a list of {ROWS} requests"):
                pages = measure_pages(config, launch.ports["web.http"])
            launch.close()
            launch.remove_data()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    figures = _figures(requests, took, whole, steady, rebuilt, raw, pages)
    if json:
        print(orjson.dumps(asdict(figures), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(figures)


def _load(launch: Launch, requests: int, rate: float | None) -> Result:
    load = Load(launch.config, direct=20)
    try:
        return load.run(requests, rate)
    finally:
        load.close()


def _figures(
    requests: int, took: float, whole: Result, steady: Result, rebuilt: Report, raw: Raw, pages: Pages
) -> Figures:
    return Figures(
        requests=requests,
        completed_requests_per_second=requests / took,
        events_per_second=whole.events / took,
        approved_p50_ms=_percentile(steady.latencies_ms(), 50),
        approved_p99_ms=_percentile(steady.latencies_ms(), 99),
        rebuilt_events=rebuilt.events,
        rebuilt_events_per_second=rebuilt.events / rebuilt.seconds,
        raw_kafka_records_per_second=raw.kafka_records,
        raw_kafka_p50_ms=_percentile(raw.kafka_latencies, 50),
        raw_kafka_p99_ms=_percentile(raw.kafka_latencies, 99),
        raw_postgres_rows_per_second=raw.postgres_rows,
        raw_postgres_commit_p50_ms=_percentile(raw.postgres_commits, 50),
        raw_postgres_commit_p99_ms=_percentile(raw.postgres_commits, 99),
        page_first_ms=pages.first,
        page_filtered_ms=pages.filtered,
        page_searched_ms=pages.searched,
        page_not_found_ms=pages.not_found,
        page_deep_ms=pages.deep,
        page_api_ms=pages.api,
    )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _show(found: Figures) -> None:
    shown = Table(title=f"{found.requests} requests through all stages", title_justify="left")
    shown.add_column("what")
    for name in ("measured", "alone, same run", "ratio"):
        shown.add_column(name, justify="right")
    for what, measured, alone, unit in (
        ("completed requests/s", found.completed_requests_per_second, None, ""),
        ("events/s | aiokafka records/s", found.events_per_second, found.raw_kafka_records_per_second, ""),
        ("events/s | PostgreSQL rows/s", found.events_per_second, found.raw_postgres_rows_per_second, ""),
        ("request → Approved in the log, p50 | one aiokafka hop", found.approved_p50_ms, found.raw_kafka_p50_ms, " ms"),
        ("request → Approved in the log, p99 | one aiokafka hop", found.approved_p99_ms, found.raw_kafka_p99_ms, " ms"),
        ("p50 | one PostgreSQL commit", found.approved_p50_ms, found.raw_postgres_commit_p50_ms, " ms"),
        ("p99 | one PostgreSQL commit", found.approved_p99_ms, found.raw_postgres_commit_p99_ms, " ms"),
        (
            "cabinet rebuild, events/s | aiokafka",
            found.rebuilt_events_per_second,
            found.raw_kafka_records_per_second,
            "",
        ),
        (f"page of {ROWS:,} requests: the first, p50", found.page_first_ms, None, " ms"),
        ("… after 4,000 others, p50", found.page_deep_ms, None, " ms"),
        ("… a search that finds few, p50", found.page_searched_ms, None, " ms"),
        ("… a search that finds nothing, p50", found.page_not_found_ms, None, " ms"),
        ("… of the API, p50", found.page_api_ms, None, " ms"),
        ("… of the API, one status, p50", found.page_filtered_ms, None, " ms"),
    ):
        shown.add_row(
            what,
            f"{measured:,.1f}{unit}",
            "" if alone is None else f"{alone:,.1f}{unit}",
            "" if alone is None else f"{measured / alone:.2f}",
        )
    Console().print(shown)


if __name__ == "__main__":
    app()
