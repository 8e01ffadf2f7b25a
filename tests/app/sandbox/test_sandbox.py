"""A sandbox tells every reminder once and on its day, also when it is killed; its oracle would see it otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import orjson
import pytest

from postavka.app.sandbox.mail import letters_in
from postavka.app.sandbox.oracle import compare, expected
from postavka.app.sandbox.plan import sold_services, year_later
from postavka.app.sandbox.shard import lived_of, remembered
from postavka.domain.calendar import today
from postavka.kernel.runtime.database import DatabaseServer

LADDER = (60, 30, 14, 7, 1)
LONGEST_SECONDS = 240
"""For a server with all schemas, and for a hundred days, on a machine that is busy with much else."""
BEGINS, UNTIL = date(2027, 1, 15), date(2028, 3, 31)


def test_the_plan_is_the_same_for_the_same_numbers_and_ends_on_days_all_over_the_period() -> None:
    plan = list(sold_services(1_000, BEGINS, UNTIL))
    assert plan == list(sold_services(1_000, BEGINS, UNTIL))
    assert len({each.request_id for each in plan} | {each.renewal_id for each in plan}) == 2_000
    assert date(2028, 2, 29) in {each.last for each in plan}
    assert all(each.first < each.last and year_later(each.first) >= each.last - timedelta(days=1) for each in plan)
    renewed = [each for each in plan if each.renewed_on]
    assert any(each.renewed_on > each.last for each in renewed if each.renewed_on), "some too late"


def test_the_oracle_wants_each_step_once_on_its_own_day() -> None:
    (service,) = sold_services(1, BEGINS, UNTIL)
    facts = expected([service], LADDER, BEGINS - timedelta(days=100), UNTIL)
    told = {(what, day) for (_, what, day), times in facts.items() if times == 1}
    assert {(str(step), service.last - timedelta(days=step)) for step in LADDER} <= told
    assert ("end", service.last + timedelta(days=1)) in told


def test_the_oracle_finds_what_is_missing_doubled_or_on_another_day_and_letters_that_do_not_fit() -> None:
    services = list(sold_services(20, BEGINS, UNTIL))
    wanted = expected(services, LADDER, BEGINS, UNTIL)
    letters = Counter(name for name, what, _ in wanted.elements() if what != "end")
    assert compare(wanted, wanted, letters, 0).is_right
    name, what, day = fact = next(each for each in sorted(wanted) if each[1] != "end")
    late = (name, what, day + timedelta(days=1))
    once, moved = Counter([fact]), Counter([late])
    for found, missing, surplus in (
        (wanted - once, [fact], []),
        (wanted + once, [], [fact]),
        (wanted - once + moved, [fact], [late]),
    ):
        verdict = compare(wanted, found, letters, 0)
        assert (verdict.missing, verdict.surplus, verdict.is_right) == (missing, surplus, False)
    assert compare(wanted, wanted, letters + Counter([name]), 0).wrong_letters == [name]
    assert compare(wanted, wanted, letters - Counter([name]), 0).wrong_letters == [name]


def test_the_oracle_knows_nothing_of_the_stage() -> None:
    """It may be wrong, but not in the way in which the stage is."""
    asked = (
        "import sys, postavka.app.sandbox.oracle; print([name for name in sys.modules if name.startswith('services')])"
    )
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_sink_counts_each_letter_once(tmp_path: Path) -> None:
    """A letter that was written when the process was killed comes once more, under the same Message-ID."""
    heads = [
        f"Message-ID: <{number}@x>\r\nReferences: <request.{of}@x>" for number, of in ((1, "a"), (2, "a"), (3, "b"))
    ]
    for number, some in enumerate(([heads[0], heads[1], heads[1]], [heads[2]])):
        (tmp_path / f"{number}").write_text("".join(f"{head}\r\n\r\n" for head in some), newline="")
    assert letters_in([tmp_path / "0", tmp_path / "1"]) == {"a": 2, "b": 1}


class TestRun:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Iterator[Path]:
        """Of a sandbox whose PostgreSQL is its own: it goes on where it was killed."""
        yield tmp_path / "home"
        DatabaseServer(tmp_path / "home" / "postgres", 0).remove()

    def test_killed_at_any_moment_it_goes_on_and_the_oracle_finds_nothing(self, home: Path) -> None:
        until = today() + timedelta(days=100)
        call = [sys.executable, "-m", "postavka.app.cli", "sandbox", "--until", until.isoformat()]
        call += ["--services", "120", "--home", str(home), "--json"]
        with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as first:
            deadline = time.monotonic() + LONGEST_SECONDS
            while _lived(home) < (today() + timedelta(days=3)).isoformat():
                assert first.poll() is None, first.stderr.read() if first.stderr else ""
                assert time.monotonic() < deadline
                time.sleep(0.02)
            os.kill(first.pid, signal.SIGKILL)
        killed_on = _lived(home)
        assert killed_on < until.isoformat(), "killed in between"
        done = subprocess.run(call, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        said = orjson.loads(done.stdout)
        assert (said["missing"], said["surplus"], said["wrong_letters"]) == (0, 0, 0)
        assert said["letters"] == sum(said["reminders"].values()) > 100
        assert said["reminders"].keys() == {str(step) for step in LADDER}
        assert said["renewed"] > 20
        assert said["lapsed"] > 20


def _lived(home: Path) -> str:
    """The last day that every part has lived; empty before."""
    run = remembered(home)
    days = [lived_of(home, shard) for shard in range(run.shards)] if run else [None]
    return min((each.isoformat() if each else "" for each in days), default="")
