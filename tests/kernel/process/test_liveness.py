"""What must not stand for long, and a thread that asks nobody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from postavka.kernel.process import systemd
from postavka.kernel.process.liveness import STOPPED_SECONDS, Heartbeats
from postavka.kernel.settings import LOOKS_FOR_THE_SERVER, Settings, database_url
from tests.kernel.polling import PATIENCE_SECONDS


def test_who_is_silent_for_longer_than_it_may_be_is_named():
    pulse = Heartbeats()
    pulse.beat("the relay", 0, within=3)
    pulse.beat("the loop", 0, within=4)
    assert pulse.silent(3) is None
    assert pulse.silent(3.5) == "the relay"
    pulse.beat("the relay", 3.5, within=3)
    assert pulse.silent(3.9) is None
    assert pulse.silent(4.5) == "the loop"


def test_who_rests_may_be_silent():
    pulse = Heartbeats()
    pulse.beat("the start", 0, within=1)
    pulse.rest("the start")
    assert pulse.silent(2) is None


def test_a_process_that_was_stopped_as_a_whole_is_given_its_time_once_more():
    pulse = Heartbeats()
    pulse.beat("the loop", 0, within=2)
    assert pulse.silent(1) is None
    late = 1 + STOPPED_SECONDS + 100
    assert pulse.silent(late) is None
    assert pulse.silent(late + 1) is None
    assert pulse.silent(late + 3) == "the loop"


def test_a_start_that_hangs_ends_the_process():
    script = (
        "import time; from postavka.kernel.process import liveness\n"
        "liveness.LOOK_SECONDS = 0.05; liveness.START_SECONDS = 0.1; liveness.watch(); time.sleep(600)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 1
    assert "the start" in done.stdout + done.stderr


def test_a_question_that_is_never_answered_ends_the_process():
    """A storm found a start that hung: librdkafka waits by the wall clock, which had been put back by a day."""
    script = (
        "import time; from postavka.kernel.process import liveness; liveness.LOOK_SECONDS = 0.05; liveness.watch()\n"
        "with liveness.question('an answered one', 0.1): pass\n"
        "time.sleep(1); print('goes on', flush=True)\n"
        "with liveness.question('which topics', 0.1): time.sleep(600)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=180, check=False)
    assert (done.returncode, "goes on" in done.stdout) == (1, True)
    assert "which topics" in done.stdout + done.stderr


def test_a_server_that_accepts_a_connection_and_says_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(LOOKS_FOR_THE_SERVER, "connect_timeout", "2")  # libpq's least
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"postgresql://nobody@127.0.0.1:{mute.getsockname()[1]}/none"
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(database_url(Settings(database_url=url)))
    assert time.monotonic() - started < 170


def test_what_the_url_says_of_waiting_goes_first():
    found = database_url(Settings(database_url="postgresql://a@b/c?connect_timeout=77"))
    assert psycopg.conninfo.conninfo_to_dict(found)["connect_timeout"] == "77"


def test_systemd_hears_that_the_process_is_ready_and_moves(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(PATIENCE_SECONDS)
        script = (
            "import time; from postavka.kernel.process import liveness; liveness.LOOK_SECONDS = 0.05\n"
            "liveness.watch(); liveness.rest(liveness.START); time.sleep(600)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script], env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        ) as process:
            try:
                heard = [supervisor.recv(100).decode() for _ in range(3)]
            finally:
                process.kill()
    assert set(heard) == {systemd.READY, systemd.ALIVE}
    assert heard.count(systemd.READY) == 1
