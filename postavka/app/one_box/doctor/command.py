"""`postavka doctor`."""

from __future__ import annotations

import sys
from dataclasses import asdict

from rich.markup import escape

from postavka.app.one_box.doctor.check import Check
from postavka.kernel.address import load
from postavka.kernel.console import console, print_json
from postavka.kernel.errors import ANSWER_IS_NO

EXAMINATION = "postavka.app.one_box.doctor.examination:look"
"""Imported when it is called: it takes parts of everything."""
SIGNS = {"ok": "[green]✓[/]", "wrong": "[red]✗[/]", "unknown": "[dim]–[/]"}


def doctor(*, json: bool = False) -> None:
    """Look at everything that is needed, and say what to do about what is not well. Exit status 1 if anything is wrong.

    Parameters
    ----------
    json
        As one JSON object: `well`, and `checks` with `name`, `status` (ok, wrong, unknown), `found` and `todo`.
    """
    checks: list[Check] = load(EXAMINATION)()
    well = all(check.status != "wrong" for check in checks)
    if json:
        print_json({"well": well, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            print_check(check)
    if not well:
        sys.exit(ANSWER_IS_NO)


def print_check(check: Check) -> None:
    """Print a check on one line, and on a second one what to do."""
    console.print(
        f"{SIGNS[check.status]} [bold]{check.name:<15}[/] {escape(check.found)}", highlight=False, soft_wrap=True
    )
    if check.todo:
        console.print(f"  {'':<15} → {escape(check.todo)}", highlight=False, soft_wrap=True)
