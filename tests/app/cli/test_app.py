"""How `postavka` ends: which status, and nothing but a line for a person."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from postavka.kernel.errors import CANT_BE_DONE, DONE, PIPE_CLOSED, UNREACHABLE

POSTAVKA = str(Path(sys.executable).parent / "postavka")
SOME_ID = "6f9c8a1e-0d52-4a8e-9d0e-1c5f3a7b9e21"


def ended(tmp_path: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    named = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "DATABASE_URL"))}
    return subprocess.run(
        [POSTAVKA, *arguments],
        env={**named, "POSTAVKA_HOME": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "200", **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ("request", "withdraw", SOME_ID),
            CANT_BE_DONE,
            "missing: see `postavka request withdraw --help`",
        ),
        (("request", "withdraw", "6f9c"), CANT_BE_DONE, "--partner is missing"),
        (("request", "withdraw", "6f9c", "--partner"), CANT_BE_DONE, "--partner needs a value"),
        (("ops", "request", "6g"), CANT_BE_DONE, "'6g' is no id of a request, nor the beginning of one"),
        (("ops", "request"), CANT_BE_DONE, "REQUEST is missing"),
        (("cabinet", "sho"), CANT_BE_DONE, 'Did you mean "show"?'),
        (("audit", "as-of", "2x"), UNREACHABLE, "postavka up"),
        (("activate", SOME_ID), CANT_BE_DONE, "either --partner"),
        (("ops", "request", "6f9c"), UNREACHABLE, "postavka up"),
        (("--help",), DONE, ""),
    ],
)
def test_each_kind_of_mistake_has_its_status_and_one_line(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    done = ended(tmp_path, *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (status, 1 if said else 0), done.stderr
    assert said in done.stderr


def test_servers_that_are_named_and_do_not_answer_have_a_status_of_their_own(tmp_path: Path) -> None:
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DATABASE_URL": "postgresql://x:y@127.0.0.1:1/x"}
    done = ended(tmp_path, "ops", "request", SOME_ID, **nowhere)
    assert done.returncode == UNREACHABLE, done.stderr
    assert "PostgreSQL refused the connection" in done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("audit", "--help"), ("audit", "verifier")])
def test_a_reader_that_has_gone_gets_no_traceback(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [POSTAVKA, *arguments],
        env={**os.environ, "POSTAVKA_HOME": str(tmp_path)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (PIPE_CLOSED, "")
