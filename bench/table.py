"""The results of the bench: rows with their peers, and the conditions. As a table, Markdown or JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from statistics import median
from typing import Any

import orjson
import psutil
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Peer:
    """Something else that does the same, or a part of it, measured in the same run. `value` has the row's unit."""

    name: str
    value: float

    def beside(self, measured: float) -> str:
        """How many times as much we are."""
        return f"{measured / self.value:.2f} × {self.name} ({shown(self.value)})" if self.value else self.name


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a measurement. `part` is the letter of the part (`python -m bench --help`), `unit` what is
    counted. Of several runs `measured` is the median, `least` and `most` are the ends; of one they are left out."""

    part: str
    what: str
    measured: float
    unit: str
    peers: Sequence[Peer] = ()
    least: float | None = None
    most: float | None = None

    def spread(self) -> str:
        """The least and the most of several runs."""
        return "" if self.least is None or self.most is None else f"{shown(self.least)} to {shown(self.most)}"


def shown(value: float) -> str:
    """A figure with as many digits as mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


@dataclass(slots=True)
class Found:
    """All rows of a run, or of several. `load` is the machine's one-minute average when a run began and when it ended:
    above the number of cores somebody else was at work, and only ratios and CPU times mean something."""

    rows: list[Row] = field(default_factory=list)
    when: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    load: list[float] = field(default_factory=lambda: [os.getloadavg()[0]])

    def add(self, rows: Iterable[Row]) -> None:
        """Keep these too."""
        self.rows += rows

    def value(self, part: str, what: str) -> float | None:
        """What an earlier part of this run found."""
        return next((row.measured for row in self.rows if row.part == part and row.what == what), None)

    def conditions(self) -> str:
        """The machine, in one line."""
        memory = psutil.virtual_memory().total / 2**30
        pairs = zip(self.load[::2], self.load[1::2], strict=True)
        loads = ", ".join(f"{before:.1f} to {after:.1f}" for before, after in pairs)
        return (
            f"{self.when}, {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, "
            f"Python {platform.python_version()}, Kafka 4.3.1 and PostgreSQL 18 on the same machine, fsync on; "
            f"load average {loads}"
        )

    def as_json(self) -> str:
        """All figures as JSON."""
        content: dict[str, Any] = {
            "conditions": self.conditions(),
            "versions": {name: version(name) for name in ("faust-streaming", "eventsourcing", "aiokafka", "psycopg")},
            "rows": [asdict(row) for row in self.rows],
        }
        return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()

    def as_markdown(self) -> str:
        """All figures as Markdown, for `docs/history/performance.md`."""
        lines = [f"_{self.conditions()}_", "", "| | what | measured | least to most | beside it, same run |"]
        lines += ["|---|---|---:|---:|---|"]
        lines += [
            f"| {row.part} | {row.what} | {shown(row.measured)} {row.unit} | {row.spread()} | "
            f"{'; '.join(peer.beside(row.measured) for peer in row.peers)} |"
            for row in self.rows
        ]
        return "\n".join(lines)

    def show(self) -> None:
        """Print all figures on the terminal."""
        table = Table(title=self.conditions(), title_justify="left")
        table.add_column("")
        table.add_column("what")
        table.add_column("measured", justify="right")
        table.add_column("least to most", justify="right")
        table.add_column("beside it, same run")
        for row in self.rows:
            peers = "\n".join(peer.beside(row.measured) for peer in row.peers)
            table.add_row(row.part, row.what, f"{shown(row.measured)} {row.unit}", row.spread(), peers)
        Console().print(table)


def of_several(runs: Sequence[Found]) -> Found:
    """The medians of several runs, each figure with its least and most, in the order of the first run."""
    if len(runs) == 1:
        return runs[0]
    figures: dict[tuple[str, str], list[Row]] = {}
    for row in chain.from_iterable(run.rows for run in runs):
        figures.setdefault((row.part, row.what), []).append(row)
    rows = [_middle(these) for these in figures.values()]
    return Found(rows, runs[0].when, list(chain.from_iterable(run.load for run in runs)))


def _middle(rows: Sequence[Row]) -> Row:
    values = [row.measured for row in rows]
    of_peers: dict[str, list[float]] = {}
    for peer in chain.from_iterable(row.peers for row in rows):
        of_peers.setdefault(peer.name, []).append(peer.value)
    peers = [Peer(name, median(these)) for name, these in of_peers.items()]
    return Row(rows[0].part, rows[0].what, median(values), rows[0].unit, peers, min(values), max(values))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The percentile of a sorted list."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as content:
            return next(line.partition(":")[2].strip() for line in content if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
