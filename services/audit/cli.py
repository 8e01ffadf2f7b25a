"""`postavka audit`: replay, prove, compare."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from cyclopts import App, Parameter
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from postavka.domain.calendar import MOSCOW, parse_since
from postavka.domain.wording import STAGE_COLOURS
from postavka.kernel.console import console, errors, print_json, print_line, table
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.runtime.connection import connected
from postavka.web.formats import at
from services.audit import proofs_cli
from services.cabinet.words import stage_of

SHOWN = 50
"""Rows of a table of findings; --json has all."""

audit = App(name="audit", help="For auditors: history, as-of, replay, verify, export. Changes nothing it looks at.")


@audit.command
def history(request: UUID, *, json: bool = False, html: Path | None = None) -> None:
    """Everything that happened to a request, in causal order, each with who, why and where it lies.

    ```
    postavka audit history 6f9c8a1e-… --html history.html
    ```

    Parameters
    ----------
    request
        Its id.
    json
        One JSON object an entry, with all fields.
    html
        Write a page of its own with the timeline drawn; it needs nothing else to be shown.
    """
    from services.audit.history.drawing import render_history
    from services.audit.history.history import as_json
    from services.audit.history.history import history as read_history

    found = read_history(connected(), request)
    if not found.entries:
        raise SystemExit(f"nothing is known of {request}")
    if html is not None:
        html.write_text(render_history(found), "utf-8")
        console.print(f"{len(found.entries)} entries: {html}", highlight=False)
    elif json:
        for entry in found.entries:
            print_line(as_json(entry))
    else:
        _print_history(found)


@audit.command(name="as-of")
def as_of(
    time: str, *, partner: str | None = None, request: UUID | None = None, limit: int = 50, json: bool = False
) -> None:
    """The cabinet as it stood at a moment, folded from the log.

    ```
    postavka audit as-of '2026-03-31 18:00' --partner lukomor
    ```

    Parameters
    ----------
    time
        A date or a time (Moscow, unless it names a zone), or 15m, 2h, 3d ago.
    partner
        Only of this partner.
    request
        Only this request.
    limit
        At most so many in the table, newest first; all are counted. With --json all are written.
    json
        One JSON object a request, in the columns of the cabinet's table.
    """
    from services.audit.history.as_of import as_of as stood
    from services.audit.history.as_of import standing_as_json

    config = connected()
    vault = open_vault(config)
    moment = _moment(time)
    found = stood(config, moment, partner, None if request is None else [request])
    if json:
        for standing in found:
            print_line(vault.reveal(standing_as_json(standing)))
        return
    counts: Counter[str] = Counter()
    newest: list[Any] = []
    for standing in found:
        counts[standing.status] += 1
        newest.append(standing)
        if len(newest) > 10 * limit:
            newest = sorted(newest, key=lambda each: each.submitted_at, reverse=True)[:limit]
    shown = table(
        f"As it stood on {at(moment, seconds=True)} (Moscow)", "заявка", "партнёр", "статус", "отправлена", "разрешение"
    )
    for standing in sorted(newest, key=lambda each: each.submitted_at, reverse=True)[:limit]:
        shown.add_row(
            str(standing.request),
            standing.partner or "—",
            stage_of(standing.status).word,
            at(datetime.fromisoformat(standing.submitted_at), seconds=True) if standing.submitted_at else "—",
            standing.row.get("shipping", {}).get("permission_number", "—"),
        )
    console.print(shown)
    told = ", ".join(f"{stage_of(name).word} {count}" for name, count in counts.most_common())
    console.print(f"{counts.total()} requests" + (f": {told}" if told else ""), highlight=False)


@audit.command
def diff(
    earlier: str, later: str, *, partner: str | None = None, request: UUID | None = None, json: bool = False
) -> None:
    """What changed in the cabinet between two moments, request by request.

    Parameters
    ----------
    earlier
        A date or a time (Moscow, unless it names a zone), or 15m, 2h, 3d ago.
    later
        Likewise; `now` for now.
    partner
        Only of this partner.
    request
        Only this request.
    json
        One JSON object a request.
    """
    from services.audit.history.as_of import diff as compare
    from services.audit.history.as_of import standing_as_json

    first, last = _moment(earlier), _moment(later)
    if first > last:
        raise SystemExit("the earlier moment comes first")
    config = connected()
    vault = open_vault(config)
    changes = compare(config, first, last, partner, None if request is None else [request])
    span = f"{at(first, seconds=True)} → {at(last, seconds=True)} (Moscow)"
    shown = table(span, "заявка", "партнёр", "было", "стало", "changed")
    count = 0
    for change in changes:
        count += 1
        if json:
            before = vault.reveal(standing_as_json(change.before)) if change.before else None
            after = vault.reveal(standing_as_json(change.after))
            print_line({"request_id": change.request, "changed": change.fields, "before": before, "after": after})
            continue
        shown.add_row(
            str(change.request),
            change.after.partner or "—",
            stage_of(change.before.status).word if change.before else "—",
            stage_of(change.after.status).word,
            _some(change.fields),
        )
    if not json:
        console.print(shown)
        console.print(f"{count} requests changed")


@audit.command
def replay(
    *,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    request: UUID | None = None,
    speed: str = "max",
    rules: str | None = None,
    into: str | None = None,
    processes: int | None = None,
    json: bool = False,
) -> None:
    """Decide everything again on recorded inputs and facts, and say which requests would go otherwise now.

    Nothing is sent outward. Exit status: 0 the same, 1 something would go otherwise, 2 it could not be done.

    ```
    postavka audit replay
    postavka audit replay --from 2026-03-01 --to 2026-04-01 --into replayed
    postavka audit replay --rules stricter     # stricter.py: `approval` with a `decide` of its own
    ```

    Parameters
    ----------
    from_
        Only decisions from this moment on: a date or a time (Moscow, unless it names a zone), or 15m, 2h, 3d ago.
    to
        Only decisions up to this moment.
    request
        Only this request.
    speed
        `max`; or `1x`, `10x` … to watch every decision at the pace at which it was made.
    rules
        A Python module with other deciders: named by stage, each with `decide` and, where its state is another one,
        `evolve` and `INITIAL`.
    into
        A schema of PostgreSQL, made for it: the cabinet as it would be now, and the differences.
    processes
        How many decide side by side.
    json
        The report as one JSON object; with --speed 1x also every decision, one a line.
    """
    from dataclasses import asdict

    from services.audit.replay.replay import ReplayOrder
    from services.audit.replay.replay import replay as decide_again

    asked = ReplayOrder(
        since=None if from_ is None else _moment(from_),
        until=None if to is None else _moment(to),
        speed=_speed(speed),
        rules=rules,
        into=into,
        requests=() if request is None else (str(request),),
    )

    def show(verdict: dict[str, Any]) -> None:
        if asked.speed is None:
            return
        if json:
            print_line(verdict)
            return
        mark = "[green]=[/]" if verdict["difference"] is None else "[red]≠[/]"
        then = ", ".join(verdict["then"]) or "nothing"
        console.print(
            f"{mark} [dim]{at(datetime.fromisoformat(verdict['at']), seconds=True)} {verdict['request'][:8]}[/] "
            f"{verdict['stage']:<10} {then}"
            + (f"  input by {escape(verdict['corrected_by'])}" if verdict["corrected_by"] else "")
            + (f"  [red]{verdict['difference']}[/]" if verdict["difference"] else ""),
            highlight=False,
            soft_wrap=True,
        )

    with _rate("decisions") as told:
        report = decide_again(connected(), asked, told, show, processes)
    if json:
        print_json(asdict(report))
    else:
        _print_replay(report, into)
    if report.different:
        sys.exit(1)


@audit.command
def verify(*, resume: bool = False, processes: int | None = None, json: bool = False) -> None:
    """Is it all as it was written? Every event is in its store and on its topic, once, in order, byte for byte; the
    cabinet is the fold of the log; signed checkpoints hold; rows of who
    looked and dead letters are there as they were signed; the bytes of documents match their hashes; the gate (L17)
    was never passed without its confirmation or payment. What an auditor has acknowledged is shown and counted, and is
    no problem any more.

    Runs while everything works: what comes meanwhile is left for the next time. Exit status: 0 all is well, 1 problems
    were found, 2 it could not be done.

    Parameters
    ----------
    resume
        Go on with a verification that was interrupted.
    processes
        How many check side by side.
    json
        The report as one JSON object.
    """
    from services.audit.verification.verify import as_json
    from services.audit.verification.verify import verify as check

    with _rate("events, as records and in the fold") as told:
        report = check(connected(), told, processes, resume)
    if json:
        print_json(as_json(report))
    else:
        _print_findings(report)
    if not report.well:
        sys.exit(1)


@audit.command
def acknowledge(code: str, place: str, *, by: str, reason: str, json: bool = False) -> None:
    """Acknowledge a problem that the last `postavka audit verify` on this machine has found: an event with the reason,
    signed with the key of the checkpoints, goes to the topic `audit.checkpoints` for ever. From then on verify shows it
    as acknowledged and no longer fails for it. Only in the very words in which it was found.

    ```
    postavka audit acknowledge gate shipping/812 --by auditor-1 --reason 'ordered by hand, see act 14'
    ```

    Parameters
    ----------
    code
        What: as verify says it, `gate`.
    place
        Where: as verify says it, `shipping/812`.
    by
        Who acknowledges it.
    reason
        Why it may stay, for the record. Do not name persons.
    json
        Print what was acknowledged as JSON.
    """
    from services.audit.verification.acknowledgements import acknowledge as say

    done = say(connected(), code, place, by, reason)
    if json:
        print_json(done.as_json())
    else:
        console.print(f"acknowledged: {code} at {place}: {escape(done.finding.words)}", highlight=False, soft_wrap=True)


@audit.command
def export(
    folder: Path,
    *,
    format: Literal["jsonl", "parquet"] = "jsonl",
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    request: UUID | None = None,
    json: bool = False,
) -> None:
    """The log as files, with hashes, schemas, signed checkpoints, a verifier and a guide for the reader.

    ```
    postavka audit export out --format parquet --from 2026-01-01 --to 2026-04-01
    ```

    Parameters
    ----------
    folder
        Where to; made if need be, and must be empty.
    format
        `jsonl` is what the verifier reads; `parquet` is smaller and faster to question.
    from_
        From this moment on: a date or a time (Moscow, unless it names a zone), or 15m, 2h, 3d ago.
    to
        Up to this moment.
    request
        Only of this request.
    json
        Print what was written as JSON.
    """
    from services.audit.history.export import ExportRange
    from services.audit.history.export import export as write

    wanted = ExportRange(None if from_ is None else _moment(from_), None if to is None else _moment(to), request)
    with _rate("records") as told:
        found = write(connected(), folder, format, wanted, told)
    if json:
        print_json({"folder": str(folder), "records": found.records, "files": found.files})
    else:
        console.print(f"{found.records} records in {folder}; begin with {folder / 'README.md'}", highlight=False)


def _print_findings(report: Any) -> None:
    for title, colour, found in (
        ("Problems", "red", report.findings.problems),
        ("Notes: odd, and harmless", "yellow", report.findings.notes),
    ):
        if found:
            shown = table(title, "what", "where", "in words")
            for each in found[:SHOWN]:
                shown.add_row(f"[{colour}]{each.code}[/]", each.place, escape(each.words))
            console.print(shown)
            if len(found) > SHOWN:
                console.print(f"and {len(found) - SHOWN} more: see --json")
    if report.acknowledged:
        shown = table("Acknowledged problems", "what", "where", "in words", "why it may stay", "by")
        for each in report.acknowledged[:SHOWN]:
            found, by = each.finding, f"{each.by}, {at(each.at, seconds=True)}"
            shown.add_row(found.code, found.place, escape(found.words), escape(each.reason), escape(by))
        console.print(shown)
        if len(report.acknowledged) > SHOWN:
            console.print(f"and {len(report.acknowledged) - SHOWN} more: see --json")
    rate = report.events / report.seconds if report.seconds else 0
    counts = ", ".join(f"{stage} {head}" for stage, head in report.heads.items())
    verdict = "[green]all is well[/]" if report.well else "[red]it is NOT all as it was written[/]"
    if report.acknowledged:
        verdict += f", with {len(report.acknowledged)} acknowledged problems"
    console.print(
        f"{report.events} events ({counts}), {report.requests} requests, {report.documents} documents, "
        f"{report.checkpoints} signed checkpoints, {report.rows} rows of who looked and dead letters in "
        f"{report.seconds:.1f} s ({rate:,.0f} events/s): {verdict}",
        highlight=False,
        soft_wrap=True,
    )


def _print_replay(report: Any, into: str | None) -> None:
    if report.requests:
        shown = table("Would go otherwise now", "request", "stage", "then", "now", "first difference", "decided")
        for request, first in list(report.requests.items())[:SHOWN]:
            shown.add_row(
                request,
                first.stage + (f"/{first.position}" if first.position else ""),
                ", ".join(first.then) or "nothing",
                ", ".join(first.now) or "nothing",
                escape(first.first) + (f"\ninput by {escape(first.corrected_by)}" if first.corrected_by else ""),
                at(datetime.fromisoformat(first.at), seconds=True),
            )
        console.print(shown)
        if len(report.requests) > SHOWN:
            console.print(f"and {len(report.requests) - SHOWN} more: see --json, or --into a schema")
    rate = report.decisions / report.seconds if report.seconds else 0
    verdict = f"[red]{len(report.requests)} requests go otherwise[/]" if report.requests else "[green]all the same[/]"
    console.print(
        f"{report.decisions} decisions with {report.events} events decided again in {report.seconds:.1f} s "
        f"({rate:,.0f}/s): {verdict}",
        highlight=False,
    )
    if into:
        console.print(f"see {into}.requests (beside cabinet.requests) and {into}.differences")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if speed <= 0:
        raise SystemExit(f"--speed {text}: write 1x, 10x or max")
    return speed


@contextmanager
def _rate(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar with the rate, on stderr, gone when it is done."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(what, total=total, rate="")

        def told(done: int, of: int | None = None) -> None:
            elapsed = bar.tasks[0].elapsed or 0
            bar.update(task, completed=done, total=of or total, rate=f"{done / elapsed:,.0f}/s" if elapsed > 1 else "")

        yield told


def _print_history(found: Any) -> None:
    shown = table(None, "#", "time (Moscow)", "what", "who", "why", "position", "where it lies")
    for entry in found.entries:
        colour = STAGE_COLOURS.get(entry.stage or "", "white")
        name = entry.type if entry.kind != "dead-letter" else f"dead letter: {entry.type}"
        note = f"\n[yellow]{entry.note}[/]" if entry.note else ""
        reason = f"\n[red]{entry.fields['reason']}[/]" if entry.kind == "dead-letter" else ""
        shown.add_row(
            str(entry.number),
            entry.time.astimezone(MOSCOW).strftime("%d.%m.%Y %H:%M:%S.%f")[:-3],
            f"[{colour}]{name}[/]{reason}{note}",
            entry.who + (f" ← {entry.asked_by}" if entry.asked_by else ""),
            f"#{entry.cause}" if entry.cause else (entry.causation or "—"),
            "—" if entry.position is None else f"{entry.stage}/{entry.position}",
            entry.coordinates,
        )
    console.print(shown)


def _moment(text: str) -> datetime:
    return datetime.now(UTC) if text == "now" else parse_since(text)


def _some(names: Iterable[str], most: int = 4) -> str:
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


proofs_cli.add_to(audit)
