"""`postavka audit history`, `as-of`, `diff`, `export`: what was, for the eye and as files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from postavka.domain.calendar import MOSCOW
from postavka.domain.reference.known import require_known
from postavka.domain.request_ids.parameter import RequestId
from postavka.domain.wording import STAGE_COLOURS
from postavka.kernel.console import console, print_json, print_line, table
from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import Settings
from postavka.web.formats import at
from services.audit.cli import moment, rate
from services.audit.history.as_of import as_of as stood
from services.audit.history.as_of import diff as compare
from services.audit.history.as_of import standing_as_json
from services.audit.history.drawing import render_history
from services.audit.history.export import ExportRange
from services.audit.history.export import export as write
from services.audit.history.history import as_json
from services.audit.history.history import history as read_history
from services.cabinet.words import stage_of


def history(request: RequestId, *, json: bool = False, html: Path | None = None) -> None:
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
    found = read_history(connected(), request)
    if not found.entries:
        raise NotFound(f"nothing is known of {request}")
    if html is not None:
        html.write_text(render_history(found), "utf-8")
        console.print(f"{len(found.entries)} entries: {html}", highlight=False)
    elif json:
        for entry in found.entries:
            print_line(as_json(entry))
    else:
        _print_history(found)


def as_of(
    time: str, *, partner: str | None = None, request: RequestId | None = None, limit: int = 50, json: bool = False
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
    config = connected()
    vault = open_vault(config)
    then = moment(time)
    found = stood(config, then, partner, None if request is None else [request])
    if json:
        written = 0
        for written, standing in enumerate(found, 1):  # noqa: B007
            print_line(vault.reveal(standing_as_json(standing)))
        _require_known_if_none(config, written, partner)
        return
    counts: Counter[str] = Counter()
    newest: list[Any] = []
    for standing in found:
        counts[standing.status] += 1
        newest.append(standing)
        if len(newest) > 10 * limit:
            newest = sorted(newest, key=lambda each: each.submitted_at, reverse=True)[:limit]
    _require_known_if_none(config, counts.total(), partner)
    shown = table(
        f"As it stood on {at(then, seconds=True)} (Moscow)", "заявка", "партнёр", "статус", "отправлена", "разрешение"
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


def diff(
    earlier: str, later: str, *, partner: str | None = None, request: RequestId | None = None, json: bool = False
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
    first, last = moment(earlier), moment(later)
    if first > last:
        raise UserError("the earlier moment comes first")
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
    _require_known_if_none(config, count, partner)
    if not json:
        console.print(shown)
        console.print(f"{count} requests changed")


def export(
    folder: Path,
    *,
    format: Literal["jsonl", "parquet"] = "jsonl",
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    request: RequestId | None = None,
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
    wanted = ExportRange(None if from_ is None else moment(from_), None if to is None else moment(to), request)
    with rate("records") as told:
        found = write(connected(), folder, format, wanted, told)
    if json:
        print_json({"folder": str(folder), "records": found.records, "files": found.files})
    else:
        console.print(f"{found.records} records in {folder}; begin with {folder / 'README.md'}", highlight=False)


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


def _require_known_if_none(config: Settings, found: int, partner: str | None) -> None:
    """If nothing was found, the partner may be misspelled. One that has left the reference data still has its past."""
    if not found:
        require_known(config, partner=partner)


def _some(names: Iterable[str], most: int = 4) -> str:
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
