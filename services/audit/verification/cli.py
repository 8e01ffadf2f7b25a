"""`postavka audit verify` and `acknowledge`: is it all as it was written?"""

from __future__ import annotations

import getpass
import sys
from typing import Any

from rich.markup import escape

from postavka.kernel.console import console, print_json, table
from postavka.kernel.errors import ANSWER_IS_NO
from postavka.kernel.runtime.connection import connected
from postavka.web.formats import at
from services.audit.cli import SHOWN, rate
from services.audit.verification.acknowledgements import acknowledge as say
from services.audit.verification.verifications import keep_outcome
from services.audit.verification.verify import as_json
from services.audit.verification.verify import verify as check


def verify(*, resume: bool = False, processes: int | None = None, json: bool = False) -> None:
    """Is it all as it was written? Every event is in its store and on its topic, once, in order, byte for byte; the
    cabinet is the fold of the log; signed checkpoints hold; rows of who looked and dead letters are there as they were
    signed; the bytes of documents match their hashes; the gate (L17) was never passed without its confirmation or
    payment. What an auditor has acknowledged is shown and counted, and is no problem any more.

    Runs while everything works: what comes meanwhile is left for the next time. Exit status: 0 all is well, 1 problems
    were found, 2 and above it could not be done.

    Parameters
    ----------
    resume
        Go on with a verification that was interrupted.
    processes
        How many check side by side.
    json
        The report as one JSON object.
    """
    with rate("events, as records and in the fold") as told:
        config = connected()
        report = check(config, told, processes, resume)
    keep_outcome(config, f"cli:{getpass.getuser()}", report)
    if json:
        print_json(as_json(report))
    else:
        _print_findings(report)
    if not report.well:
        sys.exit(ANSWER_IS_NO)


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
    done = say(connected(), code, place, by, reason)
    if json:
        print_json(done.as_json())
    else:
        console.print(f"acknowledged: {code} at {place}: {escape(done.finding.words)}", highlight=False, soft_wrap=True)


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
