"""The same commands on servers that already run: named by the environment, entered with a password."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from tests.kernel.store.pooler import PROGRAM, pooler
from tests.system.conftest import wait_until

POSTAVKA = str(Path(sys.executable).parent / "postavka")


@pytest.fixture
def own_servers(servers: Endpoints, bare_database: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What an operator sets: the broker's door for outside clients (SASL/SCRAM) and an empty database, through a pooler
    where there is one."""
    if servers.kafka_outside_bootstrap is None or servers.admin_password is None:
        pytest.skip("the administrator's password is known of servers that this run has started, not of yours")
    empty(AdminClient(for_librdkafka(Settings(**servers.settings(home=tmp_path)))))
    with pooler(bare_database) if PROGRAM else nullcontext(bare_database) as url:
        yield {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_outside_bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_USERNAME": servers.admin_username or "",
            "KAFKA_SASL_PASSWORD": servers.admin_password,
            "DATABASE_URL": url,
            "POSTAVKA_HOME": str(tmp_path),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }


def empty(broker: AdminClient) -> None:
    """Take away the topics that other tests have made: their positions are none of an empty database."""
    there = [name for name in broker.list_topics(timeout=20).topics if not name.startswith("__")]
    for deleted in broker.delete_topics(there, operation_timeout=30).values() if there else ():
        deleted.result(60)
    wait_until(lambda: not set(there) & set(broker.list_topics(timeout=20).topics), "the topics are gone")


def test_the_demo_runs_on_them_and_starts_none_of_its_own(own_servers: dict[str, str], tmp_path: Path):
    done = subprocess.run(
        [POSTAVKA, "demo", "--no-stay"], env=own_servers, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("Activated.v1") == 3
    assert "ActivationRefused.v2" in done.stdout
    assert "Rejected.v1" in done.stdout
    assert not (tmp_path / "kafka").exists()
    assert not (tmp_path / "postgres").exists()
    told = done.stdout + done.stderr + "".join(log.read_text() for log in (tmp_path / "log").glob("*.log"))
    assert own_servers["KAFKA_SASL_PASSWORD"] not in told, "a password was printed"


def test_a_wrong_password_is_said_clearly(own_servers: dict[str, str]):
    wrong = own_servers | {"KAFKA_SASL_PASSWORD": "wrong"}
    done = subprocess.run([POSTAVKA, "doctor"], env=wrong, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
