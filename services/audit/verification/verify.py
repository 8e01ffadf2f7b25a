"""Is it all as it was written? Stores and topics, the cabinet and its fold, the procedure, the documents, the proofs,
who looked and dead letters.

A cut through the running system is fixed first, and everything up to it is checked, by several processes side by side.
What is done is kept in a folder: an interrupted verification can be resumed under the same cut.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from postavka.kernel.errors import UserError
from postavka.kernel.on_progress import OnCount
from postavka.kernel.settings import PARTITIONS, Settings, environment
from postavka.kernel.store.queries import load_queries
from services.audit.consistent_cut import Cut, make_cut
from services.audit.findings import Findings
from services.audit.reading import reading
from services.audit.verification.acknowledgements import Acknowledged, acknowledged, keep, set_apart
from services.audit.verification.fold_check import surplus_rows
from services.audit.verification.signed_rows import check_tables

QUERIES = load_queries("services.audit")

LARGEST_SHARE = 400_000
"""Events that one process folds in memory: about a gigabyte of rows at most."""


class VerifyFailed(UserError):
    """A process of the verification ended badly; its error is above."""


@dataclass(slots=True)
class VerificationReport:
    """The result of a verification. `events`: in the stores up to the cut."""

    heads: dict[str, int]
    events: int = 0
    records: int = 0
    requests: int = 0
    documents: int = 0
    """Whose bytes are in the store of blobs and match."""
    checkpoints: int = 0
    """Signed ones that hold."""
    rows: int = 0
    """Of who looked and of dead letters, signed and there."""
    seconds: float = 0.0
    resumed: bool = False
    findings: Findings = field(default_factory=Findings)
    """Without what was acknowledged; its counts have everything."""
    acknowledged: list[Acknowledged] = field(default_factory=list)
    """Problems that an auditor has acknowledged."""

    @property
    def well(self) -> bool:
        """No problems but acknowledged ones; notes may be there."""
        return not self.findings.problems


@dataclass(frozen=True, slots=True)
class Job:
    """The work of one process: the records of a stage, or the fold of some partition numbers."""

    name: str
    stage: str | None
    partitions: tuple[int, ...]
    size: int


def folder_of(config: Settings) -> Path:
    """Where an unfinished verification is kept."""
    return config.home / "audit" / "verify"


def verify(
    config: Settings,
    on_progress: OnCount = lambda done, total: None,
    processes: int | None = None,
    resume: bool = False,
    folder: Path | None = None,
    share: int = LARGEST_SHARE,
) -> VerificationReport:
    """Verify all that is asked for, in several processes. `on_progress` hears events checked and to check; every event
    is looked at twice, as a record and in the fold. `folder`: where an unfinished one is kept; `share`: events that one
    process folds in memory at most."""
    started = time.monotonic()
    folder = folder or folder_of(config)
    cut_file = folder / "cut.json"
    resumed = resume and cut_file.exists()
    if resumed:
        cut = _read_cut(cut_file)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        cut = make_cut(config)
        _write_cut(cut_file, cut)
    report = VerificationReport(cut.heads, events=sum(cut.heads.values()), resumed=resumed)
    for stage in cut.unpublished:
        report.findings.note("unpublished", stage, "its relay had not published everything when the cut was made")
    count = processes or os.cpu_count() or 1
    jobs = _jobs(cut, report.events, count, share)
    answers = _run(config, folder, jobs, count, on_progress, 2 * report.events)
    _gather(config, report, answers)
    report.rows = check_tables(config, report.findings)
    if report.findings.problems:
        report.acknowledged = set_apart(report.findings, acknowledged(config))
    keep(config, report.findings.problems)
    shutil.rmtree(folder, ignore_errors=True)
    report.seconds = time.monotonic() - started
    return report


def _jobs(cut: Cut, events: int, processes: int, share: int) -> list[Job]:
    """The largest first, so that processes end together."""
    records = [Job(f"records-{stage}", stage, (), head) for stage, head in cut.heads.items()]
    shares = min(PARTITIONS, max(processes, -(-events // share)))
    folds = [
        Job(f"fold-{first}", None, tuple(range(first, PARTITIONS, shares)), events // shares) for first in range(shares)
    ]
    return sorted([*records, *folds], key=lambda job: -job.size)


def _run(
    config: Settings, folder: Path, jobs: Sequence[Job], processes: int, on_progress: OnCount, total: int
) -> list[dict[str, Any]]:
    """Workers take one job after another."""
    left = deque(jobs)
    done: dict[str, int] = {}
    answers: list[dict[str, Any]] = []

    def run() -> None:
        with _Worker(config, folder) as worker:
            while left:
                job = left.popleft()
                kept = folder / f"{job.name}.done"
                if kept.exists():
                    answer: dict[str, Any] = orjson.loads(kept.read_bytes())
                else:
                    for line in worker.work(job):
                        done[job.name] = line["done"]
                        answer = line
                    kept.write_bytes(orjson.dumps(answer))
                done[job.name] = answer["done"]
                answers.append(answer)

    with ThreadPoolExecutor(processes) as pool:
        waiting = {pool.submit(run) for _ in range(min(processes, len(jobs)))}
        while waiting:
            finished, waiting = wait(waiting, 0.2, FIRST_COMPLETED)
            for each in finished:
                if each.exception() is not None:
                    left.clear()
                each.result()
            on_progress(min(sum(done.values()), total), total)
    return answers


class _Worker:
    """A process that takes jobs, seen from here. A context manager: leaving it ends the process."""

    def __init__(self, config: Settings, folder: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "services.audit.verification.worker", str(folder)],
            env={**os.environ, **environment(config), "POSTAVKA_HOME": str(config.home.resolve())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def work(self, job: Job) -> Iterator[dict[str, Any]]:
        """The answers of a job as they come; the last has the findings. Raises `VerifyFailed`."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        process.stdin.write(orjson.dumps({"stage": job.stage, "partitions": job.partitions}) + b"\n")
        process.stdin.flush()
        for line in process.stdout:
            reply = orjson.loads(line)
            yield reply
            if "findings" in reply:
                return
        raise VerifyFailed(
            f"the process for {job.name} ended with status {process.wait()}; its error is above. Go on with --resume"
        )

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                end.close()


def _gather(config: Settings, report: VerificationReport, answers: Sequence[dict[str, Any]]) -> None:
    given: dict[str, str] = {}
    rows: list[str] = []
    folds = 0
    for answer in answers:
        report.findings.merge(Findings.from_json(answer["findings"]))
        if "requests" not in answer:
            report.records += answer["done"]
            report.checkpoints += answer["checkpoints"]
            continue
        folds += 1
        rows += answer["requests"]
        report.documents += answer["documents"]
        for number, place in answer["permissions"]:
            if number in given:
                words = f"permission number {number} was given at {given[number]} already (L14)"
                report.findings.problem("permission-twice", place, words)
            given[number] = place
    report.requests = len(rows)
    with reading(config) as connection:
        there = connection.execute(QUERIES.cabinet_there).fetchone()
        if there is not None and there[0] is not None:
            for request in surplus_rows(connection, rows):
                report.findings.problem(
                    "cabinet-row-surplus", request, "the cabinet shows it, the log does not have it"
                )


def _write_cut(file: Path, cut: Cut) -> None:
    ends = [[topic, number, end] for (topic, number), end in cut.ends.items()]
    file.write_bytes(
        orjson.dumps({"heads": cut.heads, "marks": cut.marks, "ends": ends, "unpublished": cut.unpublished})
    )


def _read_cut(file: Path) -> Cut:
    kept = orjson.loads(file.read_bytes())
    ends = {(topic, number): end for topic, number, end in kept["ends"]}
    return Cut(kept["heads"], kept["marks"], ends, tuple(kept["unpublished"]))


def read_cut(folder: Path) -> Cut:
    """The cut of the verification that is kept there."""
    return _read_cut(folder / "cut.json")


def as_json(report: VerificationReport) -> dict[str, Any]:
    """The report as JSON, for programs."""
    return {
        "well": report.well,
        "heads": report.heads,
        "events": report.events,
        "records": report.records,
        "requests": report.requests,
        "documents": report.documents,
        "checkpoints": report.checkpoints,
        "rows": report.rows,
        "seconds": round(report.seconds, 2),
        "resumed": report.resumed,
        "counts": report.findings.counts,
        "problems": [
            {"code": each.code, "place": each.place, "words": each.words} for each in report.findings.problems
        ],
        "acknowledged": [each.as_json() for each in report.acknowledged],
        "notes": [{"code": each.code, "place": each.place, "words": each.words} for each in report.findings.notes],
    }
