"""A process that folds shares of a rebuild, one after another: `python -m postavka.kernel.projection.rebuild_worker
services.x:MODEL`.

On its input each line names partitions and where to end. It folds them in memory, copies the rows into the new tables,
and says on its output, line by line, how far it is. Imports little: its start is most of the time of a small rebuild.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg.sql import SQL, Identifier

from postavka.kernel.errors import UserError
from postavka.kernel.log.range_reader import read_pieces
from postavka.kernel.projection.copy_format import BEGIN, END
from postavka.kernel.projection.read_model import Fold, ReadModel, Unread, find
from postavka.kernel.settings import Settings, environment, settings
from postavka.kernel.store.checkpoint import Checkpoint

TELL_EVERY = 10_000
CHUNK = 1_000
"""Rows handed to PostgreSQL at once."""

Place = tuple[str, int]


class ShareFailed(UserError):
    """The process ended badly; its error stands on the error output."""


@dataclass(frozen=True, slots=True)
class FoldAnswer:
    """The answer of one share: records read so far; with the last answer also events folded, marks, and what could not
    be read."""

    records: int
    events: int
    marks: dict[str, Checkpoint] | None
    unread: list[Unread]


class Folder:
    """The process, seen from the rebuild. A context manager: leaving it ends the process."""

    def __init__(self, config: Settings, model: ReadModel) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "postavka.kernel.projection.rebuild_worker", model.address],
            env={**os.environ, **environment(config)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def fold(self, ends: Mapping[Place, int]) -> Iterator[FoldAnswer]:
        """Fold a share: which partitions to read, and up to where. Answers as they come; the last one has marks.
        Raises `ShareFailed`."""
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        with suppress(BrokenPipeError):  # it has ended: noticed when it is read from
            self._process.stdin.write(orjson.dumps([[*place, end] for place, end in ends.items()]) + b"\n")
            self._process.stdin.flush()
        marks = None
        while marks is None:
            line = self._process.stdout.readline()
            if not line:
                raise ShareFailed(
                    f"a share of the rebuild ended with status {self._process.wait()}; its error is above"
                )
            answer = orjson.loads(line)
            if (found := answer.get("marks")) is not None:
                marks = {name: Checkpoint(*mark) for name, mark in found.items()}
            unread = [tuple(each) for each in answer.get("unread", ())]
            yield FoldAnswer(answer["records"], answer["events"], marks, unread)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def kill(self) -> None:
        """End it, whatever it does; waits for nothing."""
        self._process.kill()

    def close(self) -> None:
        """End it; again does nothing."""
        self.kill()
        with suppress(BrokenPipeError):  # the last job, which it did not read
            self._process.__exit__(None, None, None)


def run(config: Settings, model: ReadModel, ends: Mapping[Place, int]) -> None:
    """Fold a share of the log, copy the rows, and report progress."""
    gc.disable()  # folding makes rows, not cycles: looking for those would take a third of the time
    folded = model.fold(config)
    records = reported = 0
    for piece in read_pieces(config, dict.fromkeys(ends, 0), ends):
        folded.take(piece)
        records += len(piece.records)
        if records - reported >= TELL_EVERY:
            reported = records
            _say({"records": records, "events": folded.events})
    copy_into(config, model, folded)
    marks = {name: (mark.offset, mark.position) for name, mark in folded.marks.items()}
    _say({"records": records, "events": folded.events, "marks": marks, "unread": folded.unread})


def copy_into(config: Settings, model: ReadModel, folded: Fold) -> None:
    """Everything folded, into the new tables."""
    with model.connect(config, model.staging) as connection, connection.cursor() as cursor:
        for copied in folded.copied():
            columns = SQL(", ").join(map(Identifier, copied.columns))
            form = SQL("(FORMAT BINARY)" if copied.binary else "")
            statement = SQL("COPY {} ({}) FROM STDIN {}").format(Identifier(model.staging, copied.table), columns, form)
            with cursor.copy(statement) as out:
                chunk = [BEGIN] if copied.binary else []
                for row in copied.rows:
                    chunk.append(row)
                    if len(chunk) >= CHUNK:
                        out.write(b"".join(chunk))
                        chunk.clear()
                out.write(b"".join([*chunk, END] if copied.binary else chunk))


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str]) -> None:
    """What to read stands on the input."""
    config, model = settings(), find(arguments[0])
    for line in sys.stdin.buffer:
        run(config, model, {(topic, number): end for topic, number, end in orjson.loads(line)})


if __name__ == "__main__":
    main(sys.argv[1:])
