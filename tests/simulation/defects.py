"""Defects planted into the product's code: each is a change of a few words in one function, of a kind that somebody may
make one day. `test_defects.py` shows that simulated histories find every one."""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from postavka.kernel.outbox import relay
from postavka.kernel.projection import event_reader, table_projection
from postavka.kernel.stage import batch_run, recovery, runner


@dataclass(frozen=True)
class Defect:
    """A change in `function` of `owner` (a class, or a module): what stands there, and what in its place."""

    name: str
    owner: Any
    function: str
    changes: tuple[tuple[str, str], ...]
    seed: int
    """The first whose history shows it."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The product has it."""
        original = getattr(self.owner, self.function)
        source = textwrap.dedent(inspect.getsource(original))
        for old, new in self.changes:
            assert source.count(old) == 1, f"{self.name}: the code has changed: {old}"
            source = source.replace(old, new)
        names: dict[str, Any] = {}
        exec(  # noqa: S102  (our own text)
            compile(source, f"<{self.name}>", "exec", flags=__future__.annotations.compiler_flag),
            original.__globals__,
            names,
        )
        with patch.object(self.owner, self.function, names[self.function]):
            yield


DEFECTS = (
    Defect(
        "a mark moves before what was made of its records is written",
        batch_run.BatchRun,
        "run",
        (("self._write()", "self.worker.recorder.append(Batch(moved=self.batch.moved)); self._write()"),),
        0,
    ),
    Defect(
        "a worker takes the marks as they are for those it began with",
        batch_run.BatchRun,
        "run",
        (
            (
                "self.reader.moved()",
                "{name: (self.worker.recorder.marks([name])[name], mark)"
                " for name, (_, mark) in self.reader.moved().items()}",
            ),
        ),
        10,
    ),
    Defect(
        "a batch is tried again in another order",
        runner.StageRunner,
        "_attempt",
        (("BatchRun(self, records,", "BatchRun(self, records[:: -1 if tries else 1],"),),
        6,
    ),
    Defect(
        "what is remembered is believed when nothing follows from it",
        batch_run.BatchRun,
        "decide_one",
        (("incoming.subject in self.unconfirmed:", "False:"),),
        514,
    ),
    Defect(
        "late duplicates are not looked for",
        event_reader.PartitionReader,
        "read",
        (("elif at <= highest:", "elif at < 0:"),),
        15,
    ),
    Defect(
        "a relay goes to work without its lock", relay.Relay, "_relay_while_locked", (("row and row[0]", "row"),), 0
    ),
    Defect(
        "a relay does not look at what lies on the topic when it starts",
        relay.Relay,
        "_relay_while_locked",
        (("max(there.values(), default=0)", "0"),),
        3,
    ),
    Defect(
        "a checkpoint is written before the broker has the events",
        relay.Relay,
        "_publish",
        (
            (
                "publisher.wait(lambda: liveness.beat(self.name))",
                "write_checkpoint(session, events[-1].position, publisher.offsets); publisher.wait()",
            ),
        ),
        0,
    ),
    Defect(
        "a relay takes what it is handed for what comes next",
        relay.Relay,
        "_next",
        (("if first > ours:", "if False:"), ("events[ours - first :]", "events[max(ours - first, 0) :]")),
        1,
    ),
    Defect(
        "dead letters are marked as copied before they are",
        relay,
        "publish_dead_letters",
        (
            ("    publisher.wait(waiting)\n", ""),
            (
                "session.execute(QUERIES.dead_letters_published, ([row[0] for row in rows],))",
                "session.execute(QUERIES.dead_letters_published, ([row[0] for row in rows],)); publisher.wait(waiting)",
            ),
        ),
        46,
    ),
    Defect(
        "a read model moves its marks before its rows",
        table_projection.TableProjection,
        "project",
        (
            ("            move_marks(connection, moved)\n", ""),
            (
                "        with connection.transaction():\n",
                "        with connection.transaction():\n            move_marks(connection, moved)\n"
                "        with connection.transaction():\n",
            ),
        ),
        0,
    ),
    Defect(
        "a read model does not mind that its marks were moved by another",
        table_projection,
        "move_marks",
        (("if len(rows) != len(names):", "if False:"),),
        10,
    ),
    Defect(
        "recovery starts one too far",
        recovery,
        "import_missing",
        (("event.position > head:", "event.position > head + 1:"),),
        12,
    ),
    Defect(
        "recovery forgets what events were made from",
        recovery,
        "import_events",
        (("[(event.input,) for event in events if event.input is not None]", "[]"),),
        20,
    ),
    Defect(
        "recovery forgets what was claimed",
        recovery,
        "import_events",
        (("for event in events for kind, value in claims(event)", "for event in () for kind, value in claims(event)"),),
        69,
    ),
    Defect(
        "recovery does not look again at the head",
        recovery,
        "import_missing",
        (("if position > head]", "]"),),
        324,
    ),
    Defect(
        "inputs that came back in part are not completed",
        recovery,
        "complete_inputs",
        (("count += len(runner.complete(record).events)", "pass"),),
        305,
    ),
    Defect(
        "what came to nothing is decided again on a later state",
        batch_run.StageWorker,
        "met_then",
        (("if record.offset >=", "if record.offset >= 0 or record.offset >="),),
        20,
    ),
    Defect(
        "of two workers that complete an input one ends",
        runner.StageRunner,
        "complete",
        (("except IntegrityError:", "except ZeroDivisionError:"),),
        305,
    ),
    Defect(
        "a dead letter that was taken is tried again and again",
        batch_run.Retry,
        "run",
        (("self.batch.retried = [self._letter.id]", "pass"),),
        0,
    ),
)
