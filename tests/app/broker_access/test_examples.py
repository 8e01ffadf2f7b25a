"""The examples of the documentation, run as they stand (docs/distributors.md)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from events.topics import confirmations_of, notices_of
from postavka.app.broker_access.distributors import Credentials, Distributors
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.settings import Settings
from tests.app.broker_access.conftest import MakeDistributor
from tests.app.broker_access.test_distributors import ACCEPTED, write
from tests.kernel.polling import on_topic
from tests.paths import PROJECT
from tests.validators.tools import node

EXAMPLES = PROJECT / "docs" / "examples"


@pytest.fixture
def mine(access: Distributors, make_distributor: MakeDistributor, tmp_path: Path) -> Credentials:
    made = access.add(make_distributor())
    (tmp_path / "kcat.conf").write_text(made.kcat())
    return made


def test_python_confirms(mine: Credentials, admin_settings: Settings, tmp_path: Path):
    request_id = str(uuid4())
    arguments = [sys.executable, EXAMPLES / "confirm.py", tmp_path / "kcat.conf", request_id, "yes"]
    said = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    (record,) = on_topic(admin_settings, confirmations_of(mine.distributor_id))
    assert record.coordinates == said
    assert record.key == request_id.encode()
    body = json.loads(record.value or b"")
    assert (body["request_id"], body["accepted"]) == (request_id, True)


def test_python_reads_notices(mine: Credentials, admin_settings: Settings, tmp_path: Path):
    sender = for_librdkafka(admin_settings)
    notice = json.dumps({"kind": "confirmed", "title": "Ответ принят"}).encode()
    producer = Producer(sender)
    producer.produce(notices_of(mine.distributor_id), notice, b"r-1", headers=[("ce_subject", b"r-1")])
    assert producer.flush(20) == 0
    arguments = [sys.executable, "-u", EXAMPLES / "read_notices.py", tmp_path / "kcat.conf"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline().strip() == "r-1 confirmed Ответ принят"
        reader.terminate()


@pytest.fixture
def newer_library() -> dict[str, str]:
    """kcat with the librdkafka that confluent_kafka brings. Before 2.6.1 its SCRAM answers with a wrong nonce, which
    brokers since 3.9 refuse (CVE-2024-56128), and distributions still have such versions."""
    origin = find_spec("confluent_kafka")
    assert origin is not None
    assert origin.origin is not None
    (library,) = (Path(origin.origin).parent.parent / "confluent_kafka.libs").glob("librdkafka-*")
    return {**os.environ, "LD_PRELOAD": str(library)}


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
def test_kcat_confirms_and_reads(
    mine: Credentials, admin_settings: Settings, tmp_path: Path, newer_library: dict[str, str]
):
    own, request_id = mine.distributor_id, str(uuid4())
    conf = tmp_path / "kcat.conf"
    body = json.dumps({"request_id": request_id, "confirmation_id": "north-1", "accepted": True})
    kcat = ["kcat", "-q", "-F", str(conf)]
    confirm = [*kcat, "-P", "-t", confirmations_of(own), "-k", request_id]
    subprocess.run(confirm, input=body, text=True, env=newer_library, timeout=60, check=True)
    (record,) = on_topic(admin_settings, confirmations_of(own))
    assert (record.key, record.value) == (request_id.encode(), body.encode())
    assert write(for_librdkafka(admin_settings), notices_of(own), b'{"kind": "confirmed"}') == ACCEPTED
    told = subprocess.run(
        [*kcat, "-C", "-t", notices_of(own), "-o", "beginning", "-e"],
        capture_output=True,
        text=True,
        env=newer_library,
        timeout=60,
        check=True,
    )
    assert told.stdout.strip() == '{"kind": "confirmed"}'
    other = subprocess.run(
        ["kcat", "-F", str(conf), "-P", "-t", "billing.events"],
        input="{}",
        capture_output=True,
        text=True,
        env=newer_library,
        timeout=60,
        check=False,
    )
    assert other.returncode == 1
    assert "authorization failed" in other.stderr


def test_kafkajs_confirms_and_reads(mine: Credentials, admin_settings: Settings):
    """Notices are written with gzip, the one codec that it has (tests/kernel/outbox/test_publisher.py)."""
    own, request_id, notice = mine.distributor_id, str(uuid4()), json.dumps({"title": "Ответ принят"}) * 100
    producer = Producer({**for_librdkafka(admin_settings), "compression.type": "gzip"})
    producer.produce(notices_of(own), notice, b"r-1")
    assert producer.flush(20) == 0
    body = json.dumps({"request_id": request_id, "confirmation_id": "north-1", "accepted": True})
    said = node(
        "kafkajs.cjs", broker=mine.bootstrap, username=mine.user, password=mine.password,
        group=f"distributors.{own}.js", read=notices_of(own), write=confirmations_of(own), key=request_id, value=body,
    )  # fmt: skip
    assert (said["key"], said["value"]) == ("r-1", notice)
    (record,) = on_topic(admin_settings, confirmations_of(own))
    assert (record.key, record.value) == (request_id.encode(), body.encode())
