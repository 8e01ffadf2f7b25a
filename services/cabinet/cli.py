"""`postavka cabinet`: what a partner sees, and building it anew from the log."""

from __future__ import annotations

from typing import Any

import psycopg
from cyclopts import App
from psycopg.rows import dict_row

from postavka.domain.reference.known import require_known
from postavka.kernel.cli_options import Json
from postavka.kernel.console import console, print_json, table
from postavka.kernel.id_beginning import beginning
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.projection.command import build
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import Settings, database_url
from services.cabinet.requests import ENDED
from services.cabinet.words import stage_of

cabinet = App(name="cabinet", help="The partners' cabinet.")


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
    config = connected()
    rows = requests_of(config, partner, limit)
    if not rows:
        require_known(config, partner=partner)
    if json:
        print_json(rows)
    else:
        print_cabinet(partner, rows)


@cabinet.command
def rebuild(*, processes: int | None = None, json: Json = False) -> None:
    """Build the cabinet anew from the log (`postavka rebuild cabinet`). The old one serves until then.

    Parameters
    ----------
    processes
        How many read side by side.
    """
    build({"cabinet": "services.cabinet.rebuild:MODEL"}, processes, json)


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
    """Print the cabinet as a table."""
    columns = ("заявка", "номер", "статус", "товар", "клиент", "разрешение", "комплект")
    shown = table(f"Кабинет партнёра {partner}", *columns)
    for row in rows:
        approval, shipping, asked = row["approval"] or {}, row["shipping"] or {}, row["request"] or {}
        shown.add_row(
            beginning(row["request_id"]),
            asked.get("number", "—"),
            stage_of(row["status"]).word,
            approval.get("product", {}).get("name") or asked.get("product_id") or "—",
            approval.get("client", {}).get("name") or asked.get("buyer") or "—",
            "—" if row["status"] in ENDED else shipping.get("permission_number", "—"),
            shipping.get("kit", {}).get("number", "—"),
        )
    console.print(shown)
