"""`postavka dead-letters`: records that could not be taken, why, and another try."""

from __future__ import annotations

import base64
from typing import Any

import psycopg
from cyclopts import App
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from events.topics import STAGE_TOPICS
from postavka.cli.connection import connected
from postavka.cli.output import console, print_json, table
from postavka.settings import database_url

letters = App(name="dead-letters", help="Records that could not be taken: kept as they came, with the reason.")

STAGES = tuple(topic.writer for topic in STAGE_TOPICS)


@letters.command(name="list")
def list_(*, stage: str | None = None, all: bool = False, limit: int = 100, json: bool = False) -> None:
    """List them, newest first.

    Parameters
    ----------
    stage
        Only of this stage.
    all
        Also those that were taken at a later try.
    limit
        At most so many of each stage.
    json
        As one JSON array.
    """
    rows = [
        row
        for each in STAGES
        if stage in (None, each)
        for row in _select(each, "true" if all else "status <> 'done'", limit)
    ]
    rows.sort(key=lambda row: row["received_at"], reverse=True)
    if json:
        print_json(rows)
        return
    if not rows:
        console.print("no dead letters")
        return
    shown = table(None, "id", "code", "reason", "where it lies", "tries", "status")
    for row in rows:
        shown.add_row(row["id"], row["code"], row["reason"][:80], row["record"], str(row["tries"]), row["status"])
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
    stage, number = _split(id)
    found = _select(stage, "id = %s", 1, number)
    if not found:
        raise SystemExit(f"there is no dead letter {id}; see `postavka dead-letters list --all`")
    row = found[0]
    if json:
        print_json(row)
        return
    for name, value in row.items():
        console.print(f"[bold]{name}[/] {value}", highlight=False, markup=True, soft_wrap=True)


@letters.command
def retry(id: str, *, json: bool = False) -> None:
    """Have the stage try again: after a release that can read it, or when what was missing is there now.

    Parameters
    ----------
    id
        billing/12 for one, billing/all for all open ones of a stage.
    json
        Print how many as JSON.
    """
    stage, number = _split(id)
    with psycopg.connect(database_url(connected()), autocommit=True) as connection:
        marked = connection.execute(
            SQL(
                "UPDATE {}.dead_letters SET status = 'retry' WHERE status = 'open' AND (%s::bigint IS NULL OR id = %s)"
            ).format(Identifier(stage)),
            (number, number),
        ).rowcount
    if json:
        print_json({"stage": stage, "marked": marked})
    elif marked:
        console.print(f"{marked} marked; the stage tries within a second: see `postavka dead-letters list`")
    else:
        raise SystemExit(f"nothing open under {id}")


def _split(id: str) -> tuple[str, int | None]:
    stage, _, number = id.partition("/")
    if stage not in STAGES or not (number.isdigit() or number == "all"):
        raise SystemExit(f"{id!r}: write stage/number, as in the list: billing/12")
    return stage, None if number == "all" else int(number)


def _select(stage: str, where: str, limit: int, *parameters: Any) -> list[dict[str, Any]]:
    with psycopg.connect(database_url(connected()), row_factory=dict_row) as connection:
        if connection.execute("SELECT to_regclass(%s) AS found", (f"{stage}.dead_letters",)).fetchone() == {
            "found": None
        }:
            return []
        rows = connection.execute(
            SQL("SELECT * FROM {}.dead_letters WHERE " + where + " ORDER BY id DESC LIMIT %s").format(  # noqa: S608
                Identifier(stage)
            ),
            (*parameters, limit),
        ).fetchall()
    return [_shown(stage, row) for row in rows]


def _shown(stage: str, row: dict[str, Any]) -> dict[str, Any]:
    headers = {
        name: None if value is None else base64.b64decode(value).decode("utf-8", "replace")
        for name, value in row["headers"]
    }
    return {
        "id": f"{stage}/{row['id']}",
        "code": row["code"],
        "reason": row["reason"],
        "record": f"{row['topic']}/{row['partition']}/{row['offset']}",
        "request": row["subject"],
        "received_at": row["received_at"],
        "status": row["status"],
        "tries": row["tries"],
        "sha256": row["sha256"],
        "key": _text(row["key"]),
        "headers": headers,
        "value": _text(row["value"]),
    }


def _text(data: bytes | None) -> str | None:
    """As text if it is text, else in base64."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()
