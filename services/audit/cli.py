"""What the commands of `postavka audit` share. Each is in the folder of what it does; the registry names them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from postavka.domain.calendar import parse_since
from postavka.kernel.console import errors

SHOWN = 50
"""Rows of a table of findings; --json has all."""


@contextmanager
def rate(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar with the rate, on stderr, gone when it is done."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(what, total=total, rate="")

        def told(done: int, of: int | None = None) -> None:
            elapsed = bar.tasks[0].elapsed or 0
            bar.update(task, completed=done, total=of or total, rate=f"{done / elapsed:,.0f}/s" if elapsed > 1 else "")

        yield told


def moment(text: str) -> datetime:
    """The moment that a person has named: `now`, a date or a time, or so long ago."""
    return datetime.now(UTC) if text == "now" else parse_since(text)
