"""The work of commands that build read models anew: show how far it is, and say what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from postavka.kernel.console import console, print_json, progress
from postavka.kernel.on_progress import OnProgress
from postavka.kernel.projection.read_model import find
from postavka.kernel.projection.rebuild import rebuild as build_anew
from postavka.kernel.runtime.connection import connected


def build(models: Mapping[str, str], processes: int | None = None, json: bool = False) -> None:
    """Build read models anew, one after another, and say what came of it. `models`: name → address of its
    definition, `package.module:NAME`."""
    config = connected()
    reports = {}
    for name, address in models.items():
        model = find(address)
        with progress() as on_progress:

            def tell(what: str, done: int, total: int, name: str = name, on_progress: OnProgress = on_progress) -> None:
                on_progress(f"{name}: {what}", done, total)

            reports[name] = report = build_anew(config, model, tell, processes)
        if json:
            continue
        rate = report.records / report.seconds if report.seconds else 0
        rows = ", ".join(f"{count} {table}" for table, count in report.rows.items())
        console.print(
            f"{name}: {report.records} records ({rate:,.0f}/s), {rows} in {report.seconds:.1f} s; "
            f"writing stood still for {report.swapping * 1000:.0f} ms",
            highlight=False,
        )
        if report.unread:
            console.print(f"[yellow]{report.unread} records could not be read[/]: see the table {model.schema}.unread")
    if json:
        print_json(reports)
