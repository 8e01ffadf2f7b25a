"""What the whole does on this machine, next to its peers and to what Kafka and PostgreSQL do alone, in the same run.

Compare ratios and CPU times, not rates: a shared machine is another one an hour later. Parts, for --only:

through (a, e): whole requests, as fast as they are taken, and the CPU time of one by process;

steps (e): where the time of the five stages goes (needs py-spy);

latency (b): submit → Approved at 25, 50 and 75 % of the throughput (brings `through`);

rest (g): what everything spends on waiting, in a minute, and its memory;

peers (a): the same procedure by Faust alone, by the eventsourcing library alone and by Kafka Streams, in Java (brings
`through`);

raw: librdkafka, aiokafka, COPY, inserts;

log (c, d): rebuild of the cabinet, verification and replay by the audit, on a log of --events;

pages: of a list of 100,000 requests, and how soon a browser has painted the pages most used;

growth (f): cost of a request with --sizes in the stores, and with two workers a stage. Long; only when asked for.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from cyclopts import App, Parameter

from bench.growth import fill, growth, models
from bench.pages import ROWS, measure_pages, measure_painting
from bench.peers import faust_stages, library, raw, streams
from bench.peers.procedure import EVENTS
from bench.table import Found, Peer, Row, of_several, percentile
from bench.used import make_log_files
from bench.walk import COMPLETED, at_rest, beside, latency, load, steps, throughput
from postavka.app.one_box.launcher import Launch
from postavka.kernel.projection.rebuild import rebuild
from postavka.kernel.runtime.jars import UnreachedJars
from postavka.kernel.runtime.java import NoJava
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import Settings, settings
from services.audit.replay.replay import ReplayOrder, replay
from services.audit.verification.verify import verify
from services.cabinet.rebuild import MODEL

app = App(help=__doc__, default_parameter=Parameter(consume_multiple=True))
WARM_UP = 300
RATE = 100.0
STREAMS = 10
"""Times as many requests through Kafka Streams as through the other peers: it is that much faster."""
JARS = Path(".postavka") / "jars"


class Part(StrEnum):
    """The parts that can be measured alone."""

    THROUGH = "through"
    STEPS = "steps"
    LATENCY = "latency"
    REST = "rest"
    PEERS = "peers"
    RAW = "raw"
    LOG = "log"
    PAGES = "pages"
    GROWTH = "growth"


USUAL = tuple(part for part in Part if part not in (Part.GROWTH, Part.STEPS))


@app.default
def bench(
    *,
    only: Sequence[Part] = USUAL,
    runs: int = 1,
    requests: int = 10_000,
    seconds: float = 15.0,
    peer_requests: int = 1_000,
    events: int = 200_000,
    sizes: Sequence[int] = (10_000, 100_000),
    json: bool = False,
    markdown: bool = False,
) -> None:
    """Measure.

    Parameters
    ----------
    only
        These parts, one or several.
    runs
        How often all of them, each time with new servers: of several the table has the median, the least and the most.
    requests
        Whole requests, from sending to activation, one in five a direct sale.
    seconds
        How long each latency is measured.
    peer_requests
        Requests of each peer.
    events
        Of the log that is rebuilt and verified.
    sizes
        Requests in the stores, for `growth`.
    json
        Print the figures as one JSON object.
    markdown
        Print them as a table for docs/history/performance.md.
    """
    done: list[Found] = []
    try:
        for _ in range(runs):
            done.append(Found())
            _run(done[-1], set(only), requests, seconds, peer_requests, events, sizes)
    finally:  # what was found before a part failed is worth seeing
        found = of_several(done)
        if json or markdown:
            print(found.as_json() if json else found.as_markdown(), flush=True)
        else:
            found.show()


def _run(
    found: Found,
    only: set[Part],
    requests: int,
    seconds: float,
    peer_requests: int,
    events: int,
    sizes: Sequence[int],
) -> None:
    home = Path(tempfile.mkdtemp(prefix="postavka-bench-"))
    home.chmod(0o755)
    JARS.mkdir(parents=True, exist_ok=True)
    (home / "jars").symlink_to(JARS.resolve())
    try:
        with Launch(settings().model_copy(update={"home": home}), Spoken()) as launch:
            _walked(launch, found, only, requests, seconds)
            _standing(launch, found, only, events, peer_requests)
            if Part.GROWTH in only:
                found.add(growth(launch, sizes, requests, Spoken()))
            launch.close()
            launch.remove_data()
    finally:
        shutil.rmtree(home, ignore_errors=True)
        found.load.append(os.getloadavg()[0])


def _walked(launch: Launch, found: Found, only: set[Part], requests: int, seconds: float) -> None:
    """What needs all services at work."""
    progress = Spoken()
    with progress.step("files for the write-ahead log"):
        make_log_files(launch.config)
    if only - {Part.RAW, Part.GROWTH}:
        with progress.step("warming up"):
            load(launch, WARM_UP)
    if only & {Part.THROUGH, Part.LATENCY, Part.PEERS}:
        with progress.step(f"{requests} requests as fast as they are taken"):
            found.add(throughput(launch, requests))
    if Part.STEPS in only:
        with progress.step("the same, sampled"):
            found.add(steps(launch, requests))
    if Part.LATENCY in only:
        with progress.step("at shares of that"):
            found.add(latency(launch, found, seconds))
    if Part.REST in only:
        with progress.step("a minute at rest"):
            found.add(at_rest(launch))
    if Part.PAGES in only:
        with progress.step("the pages most used, in a browser"):
            found.add(_painting(launch))


def _painting(launch: Launch) -> list[Row]:
    try:
        painted = measure_painting(launch.ports["web.http"])
    except FileNotFoundError as missing:
        print(f"No page is painted: {missing}", file=sys.stderr)
        return []
    return [Row("pages", f"painted (LCP): {name}", value, "ms") for name, value in painted.items()]


def _standing(launch: Launch, found: Found, only: set[Part], events: int, peer_requests: int) -> None:
    """What is measured while the services stand still."""
    progress = Spoken()
    config = launch.config
    alone: raw.Raw | None = None
    if Part.LOG in only:
        with progress.step("real requests to copy"):
            these = models(launch)
        with progress.step(f"a log of {events:,} events"):
            fill(launch, these, events, keep=("web",))
    elif only & {Part.PEERS, Part.RAW, Part.PAGES}:
        for name in launch.services:
            if name != "web":
                launch.processes.stop(name)
    if only & {Part.RAW, Part.LOG}:
        with progress.step("Kafka and PostgreSQL alone"):
            alone = raw.measure(config, 100_000, RATE, 5)
        found.add(_raw_rows(alone))
    if Part.LOG in only and alone is not None:
        with progress.step("rebuilding the cabinet, verifying, deciding again"):
            found.add(_log_rows(config, alone))
    if Part.PEERS in only:
        with progress.step(f"{peer_requests} requests through each peer"):
            _peers(config, found, peer_requests)
    if Part.PAGES in only:
        with progress.step(f"pages of a list of {ROWS:,} requests"):
            pages = measure_pages(config, launch.ports["web.http"])
        found.add(
            Row("pages", f"{what}, {name}", value, "ms")
            for what, timing in pages.items()
            for name, value in (("p50", timing.p50), ("p99", timing.p99))
        )


def _raw_rows(alone: raw.Raw) -> list[Row]:
    return [
        Row("raw", "librdkafka, idempotent producer, records written/s", alone.librdkafka_written, ""),
        Row("raw", "librdkafka consumer, records read/s", alone.librdkafka_read, ""),
        Row("raw", "aiokafka, written and read in one process, records/s", alone.aiokafka_both_ways, ""),
        Row("raw", "aiokafka, one hop at 100 records/s, p50", percentile(alone.kafka_latencies, 50), "ms"),
        Row("raw", "aiokafka, one hop at 100 records/s, p99", percentile(alone.kafka_latencies, 99), "ms"),
        Row("raw", "COPY, binary, rows/s", alone.rows_by_copy, ""),
        Row("raw", "INSERT … unnest, 1,000 rows a transaction, rows/s", alone.rows_by_unnest, ""),
        Row("raw", "INSERT, one row a transaction, rows/s", alone.rows_one_by_one, ""),
        Row("raw", "a commit of one row, p50", percentile(alone.commits, 50), "ms"),
        Row("raw", "a commit of one row, p99", percentile(alone.commits, 99), "ms"),
    ]


def _log_rows(config: Settings, alone: raw.Raw) -> list[Row]:
    rebuilt = rebuild(config, MODEL)
    verified, again = verify(config), replay(config, ReplayOrder())
    read = Peer("librdkafka alone", alone.librdkafka_read)
    copied = Peer("COPY alone", alone.rows_by_copy)
    return [
        Row("c", "events in the log", rebuilt.events, ""),
        Row("c", "rebuild, events/s", rebuilt.events / rebuilt.seconds, "", (read,)),
        Row("c", "… rows/s", sum(rebuilt.rows.values()) / rebuilt.seconds, "", (copied,)),
        Row("c", "… folding alone, events/s", rebuilt.events / rebuilt.folding, "", (read,)),
        Row("d", "audit verify, events/s", verified.events / verified.seconds, "", (read,)),
        Row("d", "audit replay, events/s", again.events / again.seconds, "", (read,)),
    ]


def _peers(config: Settings, found: Found, requests: int) -> None:
    by_faust = faust_stages.measure(config, requests)
    by_library = library.measure(config, requests)
    named = [("Faust, a transaction an event", by_faust), ("eventsourcing's runner", by_library)]
    try:
        named.append(("Kafka Streams", streams.measure(config, JARS.resolve(), STREAMS * requests)))
    except (NoJava, UnreachedJars) as missing:
        print(f"Kafka Streams is left out: {missing}", file=sys.stderr)
    beside(found.rows, COMPLETED, [Peer(name, each.requests_per_second) for name, each in named])
    beside(found.rows, "events/s", [Peer(name, each.events_per_second) for name, each in named])
    what = f"CPU of a request of {EVENTS} events, servers left out"
    found.add(Row("a", f"{name}: {what}", each.cpu_ms, "CPU-ms") for name, each in named)


if __name__ == "__main__":
    app()
