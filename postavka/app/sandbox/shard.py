"""A part of a sandbox's services in a database and a process of its own: one service knows nothing of another, so that
all parts live at once. `python -m postavka.app.sandbox.shard HOME NUMBER`."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import orjson

from postavka.app.sandbox.mail import MailSink
from postavka.app.sandbox.plan import SoldService, sold_services
from postavka.app.sandbox.year import TurnedClock, days_between
from postavka.domain.reference.store import current
from postavka.kernel.settings import database_url, settings

RUN = "sandbox.json"
"""In the home folder: what is being run."""


@dataclass(frozen=True, slots=True)
class SandboxRun:
    """A run as its folder remembers it; days in ISO 8601."""

    services: int
    begins: str
    until: str
    shards: int

    @property
    def days(self) -> tuple[date, date]:
        """The first day and the last."""
        return date.fromisoformat(self.begins), date.fromisoformat(self.until)

    def plan(self, shard: int | None = None) -> list[SoldService]:
        """What is sold, in all or in one part."""
        sold = sold_services(self.services, *self.days)
        return [each for number, each in enumerate(sold) if shard is None or number % self.shards == shard]


def remember(file: Path, run: SandboxRun) -> None:
    """Write it down, whole or not at all."""
    new = file.with_suffix(".new")
    new.write_bytes(orjson.dumps(asdict(run)))
    new.replace(file)


def remembered(home: Path) -> SandboxRun | None:
    """The run of this folder; None: none has begun."""
    file = home / RUN
    return SandboxRun(**orjson.loads(file.read_bytes())) if file.exists() else None


def lived_of(home: Path, shard: int) -> date | None:
    """The last whole day of a part; None before its first."""
    file = _lived(home, shard)
    return date.fromisoformat(file.read_text()) if file.exists() else None


def letters_of(home: Path, shard: int) -> Path:
    """Where the sink of a part keeps what it gets."""
    return home / "mail" / f"sink-{shard}.txt"


def live(home: Path, shard: int) -> None:
    """Live the days that are left of a part."""
    run = remembered(home)
    assert run is not None  # noqa: S101
    begins, until = run.days
    config = settings()
    world = TurnedClock(config, current(database_url(config)), run.plan(shard), begins)
    sink = MailSink(config, letters_of(home, shard))
    before = lived_of(home, shard)
    first = before + timedelta(days=1) if before is not None else begins
    world.resume(first)
    file = _lived(home, shard)
    for day in days_between(first, until):
        world.live(day)
        sink.take()
        new = file.with_suffix(".new")
        new.write_text(day.isoformat())
        new.replace(file)


def _lived(home: Path, shard: int) -> Path:
    return home / f"lived-{shard}.txt"


if __name__ == "__main__":
    live(Path(sys.argv[1]), int(sys.argv[2]))
