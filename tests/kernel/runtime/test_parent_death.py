"""What a program is tied to its parent by."""

from __future__ import annotations

import os
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

from postavka.kernel.runtime.embedded import Endpoints

TELL = "import os; print(os.nice(0))"


def test_a_program_may_be_run_by_another_command() -> None:
    tether = [sys.executable, "-m", "postavka.kernel.runtime.parent_death", "--", "nice", "-n", "7"]
    told = subprocess.run([*tether, sys.executable, "-c", TELL], capture_output=True, text=True, timeout=60, check=True)
    assert int(told.stdout) == min(os.nice(0) + 7, 19)


def test_a_server_is_not_told_the_passwords_of_others() -> None:
    tell = "import os; print(sorted(os.environ))"
    tether = [sys.executable, "-m", "postavka.kernel.runtime.parent_death", "--bare", "--", sys.executable, "-I", "-c"]
    environment = {**os.environ, "DATABASE_URL": "postgresql://u:secret@h/d", "KAFKA_SASL_PASSWORD": "secret"}
    told = subprocess.run([*tether, tell], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "PATH" in told.stdout
    assert "DATABASE_URL" not in told.stdout
    assert "KAFKA_SASL_PASSWORD" not in told.stdout


def test_a_service_is_not_told_the_secrets_of_another() -> None:
    tell = "import os; print(sorted(os.environ))"
    tether = [sys.executable, "-m", "postavka.kernel.runtime.parent_death", "--without", "ITS,THEIR", "--"]
    environment = {**os.environ, "ITS": "secret", "THEIR": "secret", "OUR": "secret"}
    told = subprocess.run(
        [*tether, sys.executable, "-I", "-c", tell],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    known = literal_eval(told.stdout)
    assert {"PATH", "OUR"} <= set(known)
    assert not {"ITS", "THEIR"} & set(known)


def test_no_secret_is_in_the_environment_of_servers_that_run(servers: Endpoints, home: Path) -> None:
    of_postgres = (home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]
    configuration = str(home / "kafka" / "server.properties").encode()
    of_kafka = [each.parent for each in Path("/proc").glob("[0-9]*/cmdline") if is_run_with(each, configuration)]
    assert len(of_kafka) == 1
    for process in (Path("/proc") / of_postgres, *of_kafka):
        told = (process / "environ").read_text()
        assert "PATH=" in told
        for secret in ("DATABASE_URL", "KAFKA_", "POSTAVKA_", servers.admin_password or "", servers.database_url):
            assert secret not in told


def is_run_with(command_line: Path, argument: bytes) -> bool:
    """Is this the command line of a program with such a last argument?"""
    try:
        return command_line.read_bytes().rstrip(b"\0").split(b"\0")[-1] == argument
    except OSError:  # it has ended
        return False
