"""Debian's PgBouncer before the database of a test, as an operator would set it up: session mode, SCRAM."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from postavka.kernel.runtime.ports import choose_ports
from tests.kernel.polling import PATIENCE_SECONDS

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pooler(url: str) -> Iterator[str]:
    """The URL by which the same database is reached through a pooler."""
    if PROGRAM is None:
        pytest.skip("PgBouncer is not on this machine (deploy/debian-packages.sh)")
    server = conninfo_to_dict(url)
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    port = choose_ports(folder / "ports", ["pooler"])["pooler"]
    folder.chmod(0o755)
    (folder / "users.txt").write_text(f'"{server["user"]}" "{server["password"]}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
* = host={server["host"]} port={server["port"]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = session
max_client_conn = 500
default_pool_size = 150
"""
    )
    lower = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([*lower, PROGRAM, str(folder / "pgbouncer.ini")], stdout=log, stderr=log)
    try:
        through = make_conninfo(url, host="127.0.0.1", port=port)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                psycopg.connect(through).close()
                break
            except psycopg.OperationalError:
                assert running.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
        yield through
    finally:
        running.terminate()
        running.wait(PATIENCE_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
