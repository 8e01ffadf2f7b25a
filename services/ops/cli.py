"""`postavka ops` and `postavka top`: what waits, how the streams do; for whoever keeps the system going."""

from __future__ import annotations

import getpass
import itertools
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import psycopg
from cyclopts import App
from rich.console import Group
from rich.text import Text

from postavka.domain.request_ids.parameter import RequestId
from postavka.kernel.cli_options import Json, JsonArray
from postavka.kernel.console import console, print_json, table
from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url
from postavka.kernel.store.session import open_session
from postavka.web.formats import at
from services.ops import queues as waits
from services.ops.lag import FRESH_SECONDS, NothingSeen, Probe, ReaderState, ServiceState, Streams
from services.ops.queues import KINDS, Queue
from services.ops.reminders import awaited
from services.ops.reminders import remind as send_reminder
from services.ops.request import look_at
from services.ops.scrolling import show_live
from services.ops.settings import ops_settings
from services.ops.store import SEES_ALL, prepare
from services.ops.wait_spans import WaitChart

CHART_WIDTH = 40
"""Characters of the picture of a request's chart."""

WHO = {
    "confirmation": "the distributor",
    "payment": "the partner",
    "kit": "manufacturing",
    "signature": "the counterparty",
    "activation": "the user",
}
"""Who acts, by what is waited for; of all else we do."""
ops = App(name="ops", help="What waits and for whom, how the streams do, and what to put right.")


@ops.command
def waiting(*, what: str | None = None, overdue: bool = False, limit: int = 50, json: JsonArray = False) -> None:
    """What waits, by what for; with --what or --overdue the requests themselves, longest first.

    Parameters
    ----------
    what
        approval, confirmation, payment, order, kit, signature or activation.
    overdue
        Only requests that wait beyond their limit (`POSTAVKA_LIMIT_…`, in seconds).
    limit
        At most so many requests.
    """
    if what is not None and what not in KINDS:
        raise UserError(f"nothing waits for {what!r}; there are {', '.join(KINDS)}")
    with _database() as connection:
        if what is None and not overdue:
            found = waits.queues(connection, ops_settings())
            print_json([asdict(queue) for queue in found]) if json else console.print(_queues(found))
            return
        requests = waits.waiting(connection, ops_settings(), what, overdue, limit)
    if json:
        print_json([asdict(each) for each in requests])
        return
    if not requests:
        console.print("nothing waits" if not overdue else "nothing waits beyond its limit")
        return
    shown = table(None, "request", "number", "waits for", "since", "for", "partner", "distributor")
    for each in requests:
        shown.add_row(
            str(each.request_id),
            each.number or "",
            each.waits_for + (f" {each.document}" if each.document else ""),
            f"{each.since:%Y-%m-%d %H:%M:%S}",
            Text(duration(each.seconds), "red" if each.overdue else ""),
            each.partner_id or "",
            each.distributor_id or "",
        )
    console.print(shown)


@ops.command
def trend(*, what: str | None = None, days: int = 14, json: JsonArray = False) -> None:
    """The worst of each day: how many waited, how many beyond the limit, the longest.

    Parameters
    ----------
    what
        Only this: approval, confirmation, payment, order, kit, signature or activation.
    days
        How far back.
    """
    prepare(database_url(connected()))
    with _database() as connection:
        rows = [row for row in waits.trend(connection, days) if what in (None, row[1])]
    if json:
        names = ("day", "waits_for", "waiting", "overdue", "oldest_seconds")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    shown = table(None, "day", "waits for", "waiting", "overdue", "longest")
    for day, waits_for, count, late, oldest in rows:
        if count:
            shown.add_row(f"{day}", waits_for, str(count), Text(str(late), "red" if late else ""), duration(oldest))
    console.print(shown)


@ops.command
def request(request: RequestId, *, json: Json = False) -> None:
    """Show one request's path: who had to act and for how long, what happened beside it, what stages have done.

    Parameters
    ----------
    request
        Its id.
    """
    with _database() as connection:
        found = look_at(connection, request, ops_settings(), open_vault(connected()).reveal)
    if found is None:
        raise NotFound(f"nothing is known of {request}")
    if json:
        print_json({"request_id": request, **found.as_json()})
    elif found.chart is not None:
        console.print(_chart(found.chart))
    for each in found.steps if not json else ():
        console.print(
            f"{at(each.event.time, seconds=True)}  {each.event.stage:<10}  {each.event.type:<26}  {each.event.words}",
            highlight=False,
            markup=False,
        )


@ops.command
def remind(request: RequestId, *, what: str, note: str | None = None, dry_run: bool = False) -> None:
    """Remind whoever must act on a request; at most once in four hours.

    Parameters
    ----------
    request
        Its id.
    what
        What it waits for: confirmation, payment, kit, signature or activation.
    note
        A sentence to go with it.
    dry_run
        Only say who would be reminded.
    """
    url = database_url(connected())
    prepare(url)
    with _database() as connection:
        found = waits.of_request(connection, ops_settings(), request)
    item = next((each for each in found if each.waits_for == what), None)
    if item is None:
        raise UserError(f"{request} does not wait for {what}; see `postavka ops waiting --what {what}`")
    if dry_run:
        who, whom = awaited(item)
        console.print(f"{who} {whom} would be reminded of the {what}")
        return
    sent = send_reminder(url, item, f"cli:{getpass.getuser()}", note)
    console.print(f"{sent.awaited} {sent.awaited_id} is reminded of the {what}")


@ops.command
def streams(*, seconds: float = 2.0, json: Json = False) -> None:
    """Readers with lag and time to drain, services with release and watchdog, topics with size and rate.

    Parameters
    ----------
    seconds
        Between the two looks that give the rates.
    """
    probe = Probe(connected())
    probe.look()
    time.sleep(seconds)
    found = probe.look()
    if json:
        print_json(asdict(found))
    else:
        console.print(_streams(found))


def top(*, seconds: float = 2.0, rounds: int = 0) -> None:
    """A live view of everything: what waits, streams, services. Ctrl-C ends it, and so does q; arrows scroll.

    Parameters
    ----------
    seconds
        Between two looks.
    rounds
        End after so many looks; 0: go on.
    """
    probe = Probe(connected())

    def look() -> Any:
        try:
            with _database() as connection:
                queues = waits.queues(connection, ops_settings())
            view: Any = Group(_queues(queues), Text(), _streams(probe.look()))
        except (NothingSeen, psycopg.OperationalError):
            return Text("a server is away; `postavka doctor` says which", "red")
        if probe.age > FRESH_SECONDS:
            view = Group(Text(f"as of {duration(probe.age)} ago: a server does not answer", "red"), view)
        return view

    if console.is_terminal:
        with suppress(KeyboardInterrupt):
            show_live(look, seconds, rounds, console)
        return
    for done in itertools.count(1):
        console.print(look())
        if done == rounds:
            return
        time.sleep(seconds)


def duration(seconds: float) -> str:
    """`80 ms`, `45 s`, `12 min`, `3.5 h`, `2.1 d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 or not seconds else f"{seconds * 1000:.0f} ms"


def _database() -> psycopg.Connection[Any]:
    return open_session(database_url(connected()), SEES_ALL)


def _queues(found: list[Queue]) -> Any:
    shown = table("Waiting", "for", "waiting", "overdue", "limit", "oldest", "oldest request")
    for queue in found:
        shown.add_row(
            queue.waits_for,
            str(queue.waiting),
            Text(str(queue.overdue), "red" if queue.overdue else "dim"),
            duration(queue.limit_seconds),
            duration(queue.oldest_seconds) if queue.waiting else "",
            str(queue.oldest_request or ""),
        )
    return shown


def _chart(chart: WaitChart) -> Any:
    waits = table(f"{duration(chart.seconds)} in all", "waited for", "who", "since (Moscow)", "for", "limit", "")
    for each in chart.waits:
        left = round(CHART_WIDTH * chart.place(each.since, 1.0))
        long = max(1, round(CHART_WIDTH * chart.place(each.until or chart.end, 1.0)) - left)
        waits.add_row(
            each.waits_for + (f" {each.document}" if each.document else ""),
            WHO.get(each.waits_for, "we"),
            at(each.since, seconds=True),
            Text(duration(each.seconds) + ("" if each.until else " …"), "red" if each.tone == "late" else ""),
            "" if each.limit is None else duration(each.limit),
            Text(" " * left + "█" * long, {"late": "red", "ours": "cyan", "theirs": "yellow"}[each.tone]),
        )
    work = table("Work", "stage", "events", "in all", "slowest")
    for done in chart.work:
        work.add_row(done.stage, str(done.events), f"{done.seconds:.3f} s", f"{done.slowest:.3f} s")
    beside = table("Beside", "when (Moscow)", "what", "where")
    for moment in chart.moments:
        beside.add_row(at(moment.at, seconds=True), moment.sign.value, (moment.link or "").removeprefix("/ops/"))
    return Group(waits, Text(), work, Text(), beside, Text())


def _streams(found: Streams) -> Any:
    readers = table("Readers", "name", "lag", "records/s", "drained in", "not relayed", "not sent", "dead letters")
    for each in found.readers:
        readers.add_row(
            each.name,
            Text(_count(each.lag), "yellow" if each.lag else "dim"),
            "" if each.rate is None else f"{each.rate:,.0f}",
            _drained(each),
            _count(each.relay_delay),
            _count(each.unsent),
            Text(_count(each.dead_letters), "red" if each.dead_letters else "dim"),
        )
    sizes = f"Topics (sizes unknown: {found.sizes_unknown})" if found.sizes_unknown else "Topics"
    topics = table(sizes, "name", "partitions", "records", "records/s", "on disk")
    for topic in found.topics:
        rate = "" if topic.rate is None else f"{topic.rate:,.1f}"
        disk = "" if topic.bytes is None else size(topic.bytes)
        topics.add_row(topic.name, str(topic.partitions), f"{topic.records:,}", rate, disk)
    services = table("Services", "name", "state", "release", "watchdog")
    for service in found.services:
        state = Text(service.trouble or "well", "red" if service.trouble else "green")
        services.add_row(service.name, state, service.version or "", _watchdog(service))
    return Group(readers, Text(), services, Text(), topics)


def size(count: int) -> str:
    """`512 B`, `3.5 kB`, `12.0 MB`."""
    for unit, thousands in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= thousands:
            return f"{count / thousands:.1f} {unit}"
    return f"{count} B"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _drained(reader: ReaderState) -> str:
    if not reader.lag or reader.rate is None:
        return ""
    if reader.seconds_to_drain is not None:
        return duration(reader.seconds_to_drain)
    return "gets no nearer" if reader.rate else "stands still"


def _watchdog(service: ServiceState) -> str:
    if service.patience is None:
        return ""
    if not service.standing:
        return "all moves"
    return f"a partition stands: {service.standing:.0f} of {service.patience:.0f} s"
