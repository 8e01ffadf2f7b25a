"""`postavka dead-letters`: records that could not be taken, why, and what to do with them. Acts are events."""

from __future__ import annotations

import base64
import getpass
import time
from pathlib import Path
from typing import Any

import psycopg
from cyclopts import App
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from postavka.cli.connection import connected
from postavka.cli.output import console, errors, print_json, table
from postavka.settings import database_url
from services.ops import letters as dead
from services.ops.letters import STAGES, Letter
from services.ops.store import prepare

letters = App(name="dead-letters", help="Records that could not be taken: kept as they came, with the reason.")

EVERY_STATUS = (*dead.OPEN, *dead.SETTLED)
PATIENCE_SECONDS = 300.0


@letters.command(name="list")
def list_(
    *, stage: str | None = None, code: str | None = None, all: bool = False, limit: int = 100, json: bool = False
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
    json
        As one JSON array.
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
def groups(*, json: bool = False) -> None:
    """How many there are by stage and reason, with what each reason means.

    Parameters
    ----------
    json
        As one JSON array.
    """
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
    """One of them, with the record as it came.

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
def retry(id: str, *, code: str | None = None, reason: str = "", wait: bool = True, json: bool = False) -> None:
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
    json
        Print how many were marked, taken and refused again as JSON.
    """
    stage, number = _split(id)
    url = _url()
    marked = dead.retry(url, stage, None if number is None else [number], _who(), code, reason)
    if not marked:
        raise SystemExit(f"nothing open under {id}")
    left = _wait_for(url, stage, marked, quiet=json) if wait else marked
    if json:
        print_json({"stage": stage, "marked": marked, "waiting": left})
    elif left:
        console.print(f"{marked} marked, {left} not tried yet: is the service `{stage}` at work?")
    else:
        still = sum(group.open for group in dead.groups(url) if group.stage == stage)
        console.print(f"{marked} tried again; {still} of this stage are open: see `postavka dead-letters list`")


@letters.command
def correct(id: str, file: Path, *, reason: str, key: str | None = None) -> None:
    """Put one right: the contents of a file go to its topic as a new record, with the old one's headers.

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
    """
    stage, number = _one(id)
    url = _url()
    found = dead.letter(url, stage, number)
    mended = found.key if key is None else key.encode()
    dead.correct(url, stage, number, _who(), reason, mended, file.read_bytes())
    console.print(f"{id} is corrected; the new record goes to {found.topic}")


@letters.command
def discard(id: str, *, reason: str) -> None:
    """Give one up, with a written reason. Its record stays where it is.

    Parameters
    ----------
    id
        billing/12
    reason
        Why nothing is lost by it; an auditor reads this.
    """
    stage, number = _one(id)
    if not dead.discard(_url(), stage, [number], _who(), reason):
        raise SystemExit(f"nothing open under {id}")
    console.print(f"{id} is discarded")


def _url() -> str:
    url = database_url(connected())
    prepare(url)
    return url


def _who() -> str:
    return f"cli:{getpass.getuser()}"


def _wait_for(url: str, stage: str, marked: int, quiet: bool) -> int:
    """Until the stage has tried what is marked; returns how many it has not."""
    columns = (TextColumn("trying again"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    deadline = time.monotonic() + PATIENCE_SECONDS
    with (
        psycopg.connect(url, autocommit=True) as connection,
        Progress(*columns, console=errors, disable=quiet or marked < 2, transient=True) as progress,
    ):
        task = progress.add_task("", total=marked)
        while True:
            left = dead.being_retried(connection, stage)
            progress.update(task, completed=max(0, marked - left))
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)


def _one(id: str) -> tuple[str, int]:
    stage, number = _split(id)
    if number is None:
        raise SystemExit(f"{id!r}: one dead letter is meant here: billing/12")
    return stage, number


def _split(id: str) -> tuple[str, int | None]:
    stage, _, number = id.partition("/")
    if stage not in STAGES or not (number.isdigit() or number == "all"):
        raise SystemExit(f"{id!r}: write stage/number, as in the list: billing/12")
    return stage, None if number == "all" else int(number)


def _shown(letter: Letter) -> dict[str, Any]:
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
    """As text if it is text, else in base64."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()
