"""`postavka cabinet`: what a partner sees, and building it anew from the log."""

from __future__ import annotations

from typing import Any

import psycopg
from cyclopts import App
from psycopg.rows import dict_row
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from postavka.cli.connection import connected
from postavka.cli.output import console, errors, print_json, table
from postavka.privacy.vault import open_vault
from postavka.settings import Settings, database_url

cabinet = App(name="cabinet", help="The partners' cabinet.")

STATUSES = {
    "submitted": "отправлена",
    "rejected": "отклонена",
    "awaiting-confirmation": "ждёт дистрибьютора",
    "awaiting-payment": "ждёт оплаты",
    "declined": "дистрибьютор отказался",
    "withdrawn": "отозвана",
    "manufacturing": "изготавливается",
    "shipped": "поставлена",
    "activated": "активирована",
}


@cabinet.command
def show(*, partner: str, limit: int = 50, json: bool = False) -> None:
    """The requests of a partner, newest first, with kit and client of what was sold (L18).

    Parameters
    ----------
    partner
        Id of the partner.
    limit
        At most so many.
    json
        Everything, as one JSON array.
    """
    rows = requests_of(connected(), partner, limit)
    if json:
        print_json(rows)
    else:
        print_cabinet(partner, rows)


@cabinet.command
def rebuild(*, processes: int | None = None, json: bool = False) -> None:
    """Build the cabinet anew from the log. The old one serves until the new one takes its place.

    Parameters
    ----------
    processes
        How many read side by side.
    json
        Print the result as JSON.
    """
    from services.cabinet.rebuild import rebuild as build

    columns = (
        TextColumn("events"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("events", total=None)
        report = build(connected(), lambda done, total: bar.update(task, completed=done, total=total), processes)
    rate = report.events / report.seconds if report.seconds else 0
    if json:
        print_json({"events": report.events, "rows": report.rows, "unread": report.unread, "seconds": report.seconds})
        return
    console.print(f"{report.events} events, {report.rows} requests in {report.seconds:.1f} s ({rate:,.0f} events/s)")
    if report.unread:
        console.print(f"[yellow]{report.unread} records could not be read[/]: see the table cabinet.unread")


def requests_of(config: Settings, partner: str, limit: int = 50) -> list[dict[str, Any]]:
    """Rows of a partner, newest first."""
    with psycopg.connect(database_url(config), row_factory=dict_row) as connection:
        rows = connection.execute(
            "SELECT request_id, status, submitted_at, request, approval, billing, shipping, activation "
            "FROM cabinet.requests WHERE partner_id = %s ORDER BY submitted_at DESC, request_id LIMIT %s",
            (partner, limit),
        ).fetchall()
    revealed: list[dict[str, Any]] = open_vault(config).reveal(rows)
    return revealed


def print_cabinet(partner: str, rows: list[dict[str, Any]]) -> None:
    """As a table."""
    shown = table(f"Кабинет партнёра {partner}", "заявка", "статус", "товар", "клиент", "разрешение", "комплект")
    for row in rows:
        approval, shipping, asked = row["approval"] or {}, row["shipping"] or {}, row["request"] or {}
        shown.add_row(
            str(row["request_id"])[:8],
            STATUSES.get(row["status"], row["status"]),
            approval.get("product", {}).get("name") or asked.get("product_id") or "—",
            approval.get("client", {}).get("name") or asked.get("buyer") or "—",
            shipping.get("permission_number", "—"),
            shipping.get("kit", {}).get("number", "—"),
        )
    console.print(shown)
