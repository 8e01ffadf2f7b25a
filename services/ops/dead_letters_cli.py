"""`postavka dead-letters`: records that could not be taken, why, and what to do with them. Acts are events."""

from __future__ import annotations

import base64
import getpass
import time
from pathlib import Path
from typing import Any

from cyclopts import App
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from postavka.kernel.cli_options import JsonArray
from postavka.kernel.console import console, errors, print_json, table
from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url
from services.ops import corrections
from services.ops import dead_letters as dead
from services.ops.dead_letters import STAGES, Foreseen, KeptDeadLetter
from services.ops.identity import check
from services.ops.settings import ops_settings
from services.ops.store import prepare

letters = App(name="dead-letters", help="Records that could not be taken: kept as they came, with the reason.")

EVERY_STATUS = (*dead.OPEN, *dead.SETTLED)
PATIENCE_SECONDS = 300.0


@letters.command(name="list")
def list_(
    *, stage: str | None = None, code: str | None = None, all: bool = False, limit: int = 100, json: JsonArray = False
) -> None:
    """List them, newest first.

    Parameters
    ----------
    stage
        Only of this stage.
    code
        Only with this reason code.
    all
        Also those that are settled: taken at a later try, corrected, discarded.
    limit
        At most so many.
    """
    found = dead.letters(_url(), stage, code, EVERY_STATUS if all else dead.OPEN, limit=limit)
    if json:
        print_json([_shown(each) for each in found])
        return
    if not found:
        console.print("no dead letters")
        return
    shown = table(None, "id", "code", "reason", "where it lies", "tries", "status")
    for each in found:
        shown.add_row(each.id, each.code, each.reason[:80], each.record, str(each.tries), each.status)
    console.print(shown)


@letters.command
def groups(*, json: JsonArray = False) -> None:
    """How many there are by stage and reason, with what each reason means."""
    found = dead.groups(_url())
    if json:
        print_json(
            [
                {
                    "stage": group.stage,
                    "code": group.code,
                    "open": group.open,
                    "being_retried": group.being_retried,
                    "settled": group.settled,
                    "first_at": group.first_at,
                    "last_at": group.last_at,
                    "diagnosis": group.diagnosis,
                }
                for group in found
            ]
        )
        return
    if not found:
        console.print("no dead letters")
        return
    shown = table(None, "stage", "code", "open", "trying", "settled", "newest", "what it is")
    for group in found:
        shown.add_row(
            group.stage,
            group.code,
            str(group.open),
            str(group.being_retried),
            str(group.settled),
            f"{group.last_at:%Y-%m-%d %H:%M}",
            group.diagnosis,
        )
    console.print(shown)


@letters.command
def show(id: str, *, json: bool = False) -> None:
    """Show one dead letter, with the record as it came.

    Parameters
    ----------
    id
        As in the list: billing/12.
    json
        As JSON; bytes in base64.
    """
    stage, number = _one(id)
    found = _shown(dead.letter(_url(), stage, number))
    if json:
        print_json(found)
        return
    for name, value in found.items():
        console.print(f"[bold]{name}[/] {value}", highlight=False, markup=True, soft_wrap=True)


@letters.command
def retry(
    id: str,
    *,
    code: str | None = None,
    reason: str = "",
    wait: bool = True,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Have the stage try again: after a release that can read it, or when what was missing is there now.

    Parameters
    ----------
    id
        billing/12 for one, billing/all for all open ones of a stage.
    code
        With billing/all: only those with this reason code.
    reason
        Why, for the record.
    wait
        Stay until the stage has tried them all; with --no-wait only mark them.
    dry_run
        Only say what would happen.
    json
        Print how many were marked, taken and refused again as JSON.
    """
    stage, numbers = _those(id)
    url = _url()
    if dry_run:
        _foretell(dead.foresee(url, stage, numbers, code), f"{stage} would try", json)
        return
    before = dead.tally(url, stage)
    marked = dead.retry(url, stage, numbers, _who(), code, reason)
    if not marked:
        raise NotFound(f"nothing open under {id}")
    left = _wait_for(url, stage, marked, quiet=json) if wait else marked
    after = dead.tally(url, stage)
    taken = after.taken - before.taken
    if json:
        print_json({"stage": stage, "marked": marked, "waiting": left, "taken": taken, "open": after.open})
    elif left:
        console.print(f"{marked:,} marked, {left:,} not tried yet: is the service `{stage}` at work?")
    else:
        console.print(
            f"{marked:,} tried again: {taken:,} taken, {marked - taken:,} refused again; {after.open:,} of {stage} are "
            "open: see `postavka dead-letters groups`"
        )


@letters.command
def correct(id: str, file: Path, *, reason: str, key: str | None = None, dry_run: bool = False) -> None:
    """Put one right: the contents of a file go to its topic as a new record, with the old one's headers.

    What is missing may be added; request, sender and type stay. What opens the gate or moves money waits until a second
    person agrees.

    Parameters
    ----------
    id
        billing/12
    file
        The corrected body.
    reason
        What was wrong and why this is right, for the record.
    key
        The record's key, if that was wrong: the request's id.
    dry_run
        Only say what would happen.
    """
    stage, number = _one(id)
    url = _url()
    found = dead.letter(url, stage, number)
    mended = found.key if key is None else key.encode()
    value = file.read_bytes()
    one = ops_settings().corrections_by_one
    if dry_run:
        checked = check(found.topic, found.key, found.value, found.headers, mended or b"", value)
        what = f"a record of {len(value):,} bytes with the key {_text(mended)} would go to {found.topic}"
        what += " after a second person's word" if checked.needs_agreement and not one else ""
        console.print(what if found.status == "open" else f"nothing: {id} is {found.status}", highlight=False)
        return
    if corrections.correct(url, stage, number, _who(), reason, mended, value, by_one=one):
        console.print(f"{id} is corrected; the new record goes to {found.topic}")
    else:
        console.print(f"{id} waits for a second person: `postavka dead-letters agree {id}`, or its page")


@letters.command
def agree(id: str, *, yes: bool = False) -> None:
    """Agree to a correction that somebody else has made; without --yes only look at it.

    Parameters
    ----------
    id
        billing/12
    yes
        Send it.
    """
    stage, number = _one(id)
    url = _url()
    found = corrections.proposal_of(url, stage, number)
    if found is None and yes:
        raise NotFound(f"no correction of {id} waits for a second person")
    if found is None:
        console.print(f"no correction of {id} waits for a second person")
        return
    if not yes:
        console.print(f"by {found.proposed_by}, {found.proposed_at:%Y-%m-%d %H:%M}: {found.reason}", markup=False)
        console.print(f"key {_text(found.key)}\n{_text(found.value)}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"to send it: `postavka dead-letters agree {id} --yes`")
        return
    corrections.agree(url, stage, number, _who(), found.id)
    console.print(f"{id} is corrected, as {found.proposed_by} proposed")


@letters.command
def discard(
    id: str, *, reason: str, code: str | None = None, dry_run: bool = False, yes: bool = False, json: bool = False
) -> None:
    """Give one up, or all of a code, with a written reason. The records stay where they are.

    Parameters
    ----------
    id
        billing/12 for one, billing/all for all open ones of a stage; then with --code and --yes.
    reason
        Why nothing is lost by it; an auditor reads this.
    code
        With billing/all: only those with this reason code.
    dry_run
        Only say what would happen.
    yes
        With billing/all: yes, all of them.
    json
        Print how many as JSON.
    """
    stage, numbers = _those(id)
    url = _url()
    foreseen = dead.foresee(url, stage, numbers, code)
    if dry_run:
        _foretell(foreseen, "would be given up", json)
        return
    if numbers is None and not (code and yes):
        raise UserError(
            f"that would be {foreseen.letters:,} records: name their --code, look at --dry-run, then say --yes"
        )
    count = dead.discard(url, stage, numbers, _who(), reason, code)
    if not count:
        raise NotFound(f"nothing open under {id}")
    if json:
        print_json({"stage": stage, "discarded": count})
    else:
        console.print(f"{id} is discarded" if numbers else f"{count:,} are discarded")


def _foretell(foreseen: Foreseen, what: str, json: bool) -> None:
    if json:
        print_json({"letters": foreseen.letters, "by_code": foreseen.by_code, "left": foreseen.left})
        return
    by_code = ", ".join(f"{count:,} {code}" for code, count in foreseen.by_code.items())
    left = f"; {foreseen.left:,} more with the next time" if foreseen.left else ""
    sentence = f"{what}: {foreseen.letters:,} records ({by_code}){left}; each is an event on ops.events"
    console.print(sentence if foreseen.letters else "nothing is open there", highlight=False)


def _url() -> str:
    url = database_url(connected())
    prepare(url)
    return url


def _who() -> str:
    return f"cli:{getpass.getuser()}"


def _wait_for(url: str, stage: str, marked: int, quiet: bool) -> int:
    """Wait until the stage has tried what is marked; returns how many it has not."""
    columns = (TextColumn("trying again"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    deadline = time.monotonic() + PATIENCE_SECONDS
    with Progress(*columns, console=errors, disable=quiet or marked < 2, transient=True) as progress:
        task = progress.add_task("", total=marked)
        while True:
            left = dead.tally(url, stage).waiting
            progress.update(task, completed=max(0, marked - left))
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.5)


def _one(id: str) -> tuple[str, int]:
    stage, number = _split(id)
    if number is None:
        raise UserError(f"{id!r}: one dead letter is meant here: billing/12")
    return stage, number


def _those(id: str) -> tuple[str, list[int] | None]:
    """The stage, and the one letter or None for all."""
    stage, number = _split(id)
    return stage, None if number is None else [number]


def _split(id: str) -> tuple[str, int | None]:
    stage, _, number = id.partition("/")
    if stage not in STAGES or not (number.isdigit() or number == "all"):
        raise UserError(f"{id!r}: write stage/number, as in the list: billing/12")
    return stage, None if number == "all" else int(number)


def _shown(letter: KeptDeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "code": letter.code,
        "reason": letter.reason,
        "diagnosis": letter.diagnosis,
        "record": letter.record,
        "request": letter.request_id,
        "received_at": letter.received_at,
        "status": letter.status,
        "tries": letter.tries,
        "sha256": letter.sha256,
        "key": _text(letter.key),
        "headers": {
            name: None if value is None else value.decode("utf-8", "replace") for name, value in letter.headers
        },
        "value": _text(letter.value),
    }


def _text(data: bytes | None) -> str | None:
    """The data as text if it is text, else in base64."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()
