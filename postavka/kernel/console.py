"""The output of commands: tables for people, JSON for scripts (`--json`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from postavka.kernel.on_progress import OnProgress

SOURCE = "/postavka/cli"
"""`ce_source` of what is sent from the command line."""


class PipedConsole(Console):
    """A console whose closed pipe is an error as of any other output; by itself it ends the program in silence."""

    def on_broken_pipe(self) -> None:
        """Raise what `rich` has caught, and print no more."""
        self.quiet = True
        raise BrokenPipeError


console = PipedConsole()
errors = PipedConsole(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document, or with a list one a line is up to the caller."""
    options = orjson.OPT_INDENT_2 if console.is_terminal else 0
    print(orjson.dumps(value, default=str, option=options).decode())


def print_line(value: Any) -> None:
    """Print a value as one JSON document on one line."""
    print(orjson.dumps(value, default=str).decode(), flush=True)


IDS = frozenset({"request", "letter", "oldest request"})
"""Columns that are copied into the next command: never shortened while others can be."""


def table(title: str | None, *columns: str) -> Table:
    """A table in the one look of all commands."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, no_wrap=column in IDS)
    return made


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Bars on the error output, one for each thing that is reported."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        tasks = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
            bar.update(tasks[what], completed=done, total=max(total, 1))

        yield on_progress
