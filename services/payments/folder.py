"""Statements dropped into a folder: taken one by one, then moved to `done` or `broken` with a report beside.

A file is taken when it has not changed for a moment, so that one that is still being copied is left alone. The move is
a rename within the folder: a file is in one place or the other, and a crash in between takes it again, which changes
nothing. Whoever may write into the folder may not read the rest of the machine by it: links are not followed.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from watchfiles import watch

from postavka.kernel.errors import UserError
from postavka.kernel.process.logs import logger
from services.payments.file import read_file
from services.payments.loader import Loader
from services.payments.metrics import STATEMENTS
from services.payments.statement import BrokenStatement, StatementProblem

log = logger(__name__)

QUIET_SECONDS = 1.0
"""How long a file must lie unchanged."""
LOOK_SECONDS = 5.0
"""At least so often the folder is looked at: network folders report no changes."""
STEP_MS = 500
"""How often reported changes are gathered: at the library's own 50 it is awake more than all else in the process."""
DONE, BROKEN = "done", "broken"


class StatementsFolder:
    """A folder and what becomes of its files."""

    def __init__(self, folder: Path, loader: Callable[[], Loader]) -> None:
        self._folder = folder
        self._loader = loader
        for each in (folder, folder / DONE, folder / BROKEN):
            each.mkdir(parents=True, exist_ok=True)

    def run(self, stop: threading.Event) -> None:
        """Take what comes, until asked to stop. While a server is away files stay where they are."""
        log.info("statements are taken from", folder=str(self._folder))
        changes = watch(
            self._folder,
            recursive=False,
            stop_event=stop,
            yield_on_timeout=True,
            step=STEP_MS,
            rust_timeout=int(LOOK_SECONDS * 1000),
            raise_interrupt=False,
        )
        while not stop.is_set():
            try:
                waiting = self.take_all()
            except (UserError, psycopg.Error) as away:
                log.warning("a statement could not be taken yet", error=str(away)[:300])
                waiting = 1
            if waiting:
                stop.wait(QUIET_SECONDS)
            elif next(changes, None) is None:
                return

    def take_all(self) -> int:
        """Take every file that is whole; returns how many are still being written."""
        waiting = 0
        for path in sorted(self._folder.iterdir()):
            if path.name.startswith(".") or path.name.endswith((".tmp", ".part")):
                continue
            try:
                found = path.lstat()
            except FileNotFoundError:  # somebody has taken it back
                continue
            if stat.S_ISDIR(found.st_mode):
                continue
            if time.time() - found.st_mtime < QUIET_SECONDS:
                waiting += 1
            else:
                self._take(path)
        return waiting

    def _take(self, path: Path) -> None:
        try:
            try:
                data = read_file(path, follow_links=False)
            except FileNotFoundError:
                return
            except OSError as wrong:
                raise BrokenStatement([StatementProblem(0, f"Файл не читается: {wrong.strerror}.")]) from None
            report = self._loader().load(data, path.name, "folder", "folder")
        except BrokenStatement as broken:
            STATEMENTS.labels("broken").inc()
            log.warning("a broken statement", file=path.name, problems=len(broken.problems))
            self._move(path, BROKEN, f"Выписка не принята. Ничего из неё не загружено.\n{broken}\n")
        else:
            STATEMENTS.labels("taken").inc()
            log.info("a statement is taken", file=path.name, new=report.new.count, returns=report.new_returns.count)
            self._move(path, DONE, "\n".join(report.lines()) + "\n")

    def _move(self, path: Path, where: str, report: str) -> None:
        """Move a file, its report first: a file in `done` or `broken` always has one beside it."""
        target = _free(self._folder / where / path.name)
        beside = target.with_name(f"{target.name}.report.txt")
        unfinished = beside.with_name(f".{beside.name}")
        unfinished.write_text(report, "utf-8")
        unfinished.replace(beside)
        os.replace(path, target)


def _free(path: Path) -> Path:
    """The path, or one with a number if something lies there."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free
