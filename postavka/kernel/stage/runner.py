"""Takes batch after batch of records of one stage; everything or nothing of each is written (`batch_run.py`).

When another worker got in between, everything of the batch is decided anew on what is there now: deciding is pure, so
that is safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from eventsourcing.persistence import IntegrityError

from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.process.logs import logger
from postavka.kernel.stage.batch_run import BatchOutcome, BatchRun, Completion, Retry, StageWorker
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.recorder import DeadLetter, TrackingConflict

log = logger(__name__)

MOST_TRIES = 8
"""How often a batch is decided anew when other workers get in between, before the process gives up and restarts."""


class StoreWentBack(RuntimeError):
    """The marks in PostgreSQL are behind what this process wrote: it was restored from an older copy. The process must
    end; its start recovers from the topic."""


class StageRunner(StageWorker):
    """The worker at work: takes partitions, handles batches, tries dead letters again."""

    # Marks

    def take_partitions(self, names: Iterable[str]) -> dict[str, Checkpoint]:
        """Read the marks of these input partitions (`topic/partition`): where reading goes on. Raises `StoreWentBack`
        when one is behind what this process has handled."""
        fresh = self.recorder.marks(list(names))
        for name, mark in fresh.items():
            if name in self.marks and mark.offset < self.marks[name].offset:
                raise StoreWentBack(f"{name}: handled up to {self.marks[name].offset}, the store says {mark.offset}")
        self.marks.update(fresh)
        return fresh

    # A batch

    def handle(self, records: Sequence[Record]) -> BatchOutcome:
        """Handle records, in the order given; returns what was written. Everything or nothing is written.

        Raises `StoreWentBack`; the library's `OperationalError`, or psycopg's, when PostgreSQL is away (nothing was
        remembered: the same batch can be handled again).
        """
        return self._attempt(records, None)

    def retry(self, letters: Sequence[DeadLetter]) -> BatchOutcome:
        """Try dead letters again: taken, they are done; otherwise they stay, with the newest reason."""
        total = BatchOutcome()
        for letter in letters:
            if letter.record.topic not in self.inputs:
                refused = replace(
                    letter, code="no-input", reason=f"{letter.record.topic} is no input of this stage now"
                )
                self.recorder.refuse_again(refused)
                total.dead_letters.append(refused)
                continue
            outcome = self._attempt([letter.record], letter)
            if outcome.dead_letters:
                newest = outcome.dead_letters[0]
                self.recorder.refuse_again(replace(letter, code=newest.code, reason=newest.reason))
                total.dead_letters.append(newest)
            total.events += outcome.events
            total.handled += outcome.handled
        return total

    def complete(self, record: Record) -> BatchOutcome:
        """Decide an input once more, of whose events perhaps only the first came back from the topic, and add the rest.
        The marks stay: read again, the input is skipped."""
        for _ in range(MOST_TRIES):
            try:
                return Completion(self, [record], reprocessing=True).run()
            except IntegrityError:
                log.info("another worker that starts has completed an input", input=record.coordinates)
        raise RuntimeError(f"{self.stage.name}: {record.coordinates} could not be completed in {MOST_TRIES} tries")

    def _attempt(self, records: Sequence[Record], retried: DeadLetter | None) -> BatchOutcome:
        for tries in range(MOST_TRIES):
            places = {(record.topic, record.partition) for record in records}
            if unknown := {partition_name(*place) for place in places} - self.marks.keys():
                self.take_partitions(unknown)
            run = (
                BatchRun(self, records, assume_new=tries == 0 and bool(self.stage.begins))
                if retried is None
                else Retry(self, retried)
            )
            try:
                outcome = run.run()
            except TrackingConflict:
                self.take_partitions(self.marks)
                self.states.forget()
            except IntegrityError as conflict:
                log.info("the store had more, deciding again", stage=self.stage.name, error=str(conflict)[:200])
                if not run.assume_new:  # else it was a request sent again, as a rule: what is remembered may be right
                    self.states.forget()
            else:
                outcome.redone = tries
                return outcome
        raise RuntimeError(f"{self.stage.name}: a batch could not be written in {MOST_TRIES} tries")
