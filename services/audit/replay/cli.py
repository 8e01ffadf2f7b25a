"""`postavka audit replay`: everything is decided again."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter
from rich.markup import escape

from postavka.domain.request_ids.parameter import RequestId
from postavka.kernel.console import console, print_json, print_line, table
from postavka.kernel.errors import ANSWER_IS_NO, UserError
from postavka.kernel.id_beginning import beginning
from postavka.kernel.runtime.connection import connected
from postavka.web.formats import at
from services.audit.cli import SHOWN, moment, rate
from services.audit.replay.replay import ReplayOrder
from services.audit.replay.replay import replay as decide_again


def replay(
    *,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    request: RequestId | None = None,
    speed: str = "max",
    rules: str | None = None,
    into: str | None = None,
    processes: int | None = None,
    json: bool = False,
) -> None:
    """Decide everything again on recorded inputs and facts, and say which requests would go otherwise now.

    Nothing is sent outward. Exit status: 0 the same, 1 something would go otherwise, 2 and above it could not be done.

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
    asked = ReplayOrder(
        since=None if from_ is None else moment(from_),
        until=None if to is None else moment(to),
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
            f"{mark} [dim]{at(datetime.fromisoformat(verdict['at']), seconds=True)} {beginning(verdict['request'])}[/] "
            f"{verdict['stage']:<10} {then}"
            + (f"  input by {escape(verdict['corrected_by'])}" if verdict["corrected_by"] else "")
            + (f"  [red]{verdict['difference']}[/]" if verdict["difference"] else ""),
            highlight=False,
            soft_wrap=True,
        )

    with rate("decisions") as told:
        report = decide_again(connected(), asked, told, show, processes)
    if json:
        print_json(asdict(report))
    else:
        _print_replay(report, into)
    if report.different:
        sys.exit(ANSWER_IS_NO)


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
        raise UserError(f"--speed {text}: write 1x, 10x or max")
    return speed
