"""`postavka notices`: e-mails that were sent, that wait, that failed; and what recipients want."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter
from rich.markup import escape

from postavka.domain.request_ids.parameter import RequestId
from postavka.kernel.cli_options import Json, JsonArray
from postavka.kernel.console import console, print_json, table
from postavka.kernel.id_beginning import bounds
from postavka.kernel.id_parameter import converter
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url
from postavka.web.formats import at
from services.notices.categories import CATEGORIES, Category
from services.notices.channels.email.mail_log import (
    MailFilter,
    email,
    emails,
    find_email,
    preferences,
    send_again,
    switch,
)

LetterId = Annotated[UUID, Parameter(converter=converter("letter", find_email))]

notices = App(name="notices", help="E-mail to partners and distributors: what was sent, what waits, what failed.")


@notices.command(name="list")
def list_(
    *,
    status: str | None = None,
    request: RequestId | None = None,
    to: str | None = None,
    kind: Category | None = None,
    limit: int = 50,
    json: JsonArray = False,
) -> None:
    """List e-mails, newest first.

    Parameters
    ----------
    status
        due, sending, sent, failed, off, no-address, too-old.
    request
        Only of this request.
    to
        Only to this address.
    kind
        Only of this kind.
    limit
        At most so many.
    """
    rows = emails(connected(), MailFilter(status, request, to, kind), limit)
    if json:
        print_json(rows)
        return
    if not rows:
        console.print("no letters")
        return
    shown = table(None, "letter", "made (UTC)", "to", "subject", "status", "")
    for row in rows:
        more = f"{row['tries']} tries: {row['said']}" if row["status"] not in ("sent", "off") and row["said"] else ""
        unsure = " (maybe twice)" if row["unsure"] else ""
        shown.add_row(
            str(row["id"]),
            at(row["made_at"]),
            escape(row["recipient"] or "—"),
            escape(row["subject"]),
            row["status"] + unsure,
            escape(more[:80]),
        )
    console.print(shown)


@notices.command
def show(id: LetterId, *, html: Path | None = None, json: Json = False) -> None:
    """One e-mail, as it was written.

    Parameters
    ----------
    id
        As in the list.
    html
        Write its HTML to this file, to be looked at in a browser.
    """
    row = email(connected(), id)
    if html is not None:
        html.write_text(row["html"])
    if json:
        print_json(row)
        return
    for name, value in row.items():
        if name not in ("text", "html"):
            console.print(f"[bold]{name}[/] {escape(str(value))}", highlight=False, soft_wrap=True)
    console.print()
    console.print(escape(row["text"]), highlight=False, soft_wrap=True)


@notices.command
def retry(id: Annotated[str, Parameter(help="As in the list; `failed` for all that have failed.")]) -> None:
    """Send e-mails that have failed, or were not wanted, after all."""
    count = send_again(database_url(connected()), None if id == "failed" else _letter(id))
    console.print(f"{count} will be sent: see `postavka notices list`")


@notices.command
def prefs(
    address: str,
    *,
    off: list[Category] | None = None,
    on: list[Category] | None = None,
    by: str = "cli",
    json: Json = False,
) -> None:
    """What a person gets; switch kinds off and on.

    Parameters
    ----------
    address
        E-mail address.
    off
        Kinds that are not wanted.
    on
        Kinds that are wanted again.
    by
        Who says so, for the record.
    """
    config = connected()
    for kind in off or ():
        switch(config, address, kind, False, by)
    for kind in on or ():
        switch(config, address, kind, True, by)
    wanted = preferences(config, address)
    if json:
        print_json({"recipient": address, "kinds": {kind.value: on for kind, on in wanted.items()}})
        return
    shown = table(None, "kind", "about", "")
    for kind, gets in wanted.items():
        always = "always" if CATEGORIES[kind].mandatory else "on" if gets else "off"
        shown.add_row(kind.value, CATEGORIES[kind].title, always)
    console.print(shown)


def _letter(typed: str) -> UUID:
    low, high = bounds("letter", typed)
    return low if low == high else find_email(typed)
