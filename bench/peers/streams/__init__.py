"""The peer in Java: the five stages as one Kafka Streams application, exactly once (`exactly_once_v2`), with a state
store a stage (RocksDB, and its changelog on the broker). No database and no documents; what is durable is the log.

Its jars come from Maven like Kafka's. Eclipse's compiler is one of them, so that the Java that runs the broker is
enough.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from bench.cost import spent_by
from bench.peers.faust_stages import Measured, drive
from bench.peers.procedure import EVENTS, EVENTS_OF, INPUTS_OF, STAGES
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.runtime.jars import fetched, jars_of
from postavka.kernel.runtime.java import find_java
from postavka.kernel.runtime.kafka_jars import class_path
from postavka.kernel.settings import Settings

HERE = Path(__file__).parent
LOCK = HERE / "streams.jars.lock"
PREFIX = "peer-streams."
APPLICATION = "peer-streams"
THREADS = 2
WARM_UP = 2_000
"""Requests before measuring: Java compiles what it runs often."""
START_SECONDS = 120.0


def measure(config: Settings, jars: Path, requests: int) -> Measured:
    """So many requests through all five. Raises `UnreachedJars` when a jar could not be fetched."""
    ensure_topics(config, [PREFIX + name for name in {*STAGES, *(each for of in INPUTS_OF.values() for each in of)}])
    with tempfile.TemporaryDirectory() as folder, _running(config, jars, Path(folder)) as pid:
        drive(config, WARM_UP, PREFIX)
        before, started = spent_by(pid), time.perf_counter()
        drive(config, requests, PREFIX)
        took, spent = time.perf_counter() - started, spent_by(pid) - before
    return Measured(requests / took, requests * EVENTS / took, spent * 1000 / requests)


@contextmanager
def _running(config: Settings, jars: Path, folder: Path) -> Iterator[int]:
    """The process id of the application, once it runs."""
    kafka = class_path(jars)
    own = ":".join(map(str, fetched(jars / "streams", jars_of(LOCK.read_text("utf-8")), "Kafka Streams")))
    libraries = f"{folder}:{own}:{kafka}"
    java = str(find_java())
    compiler = [java, "-cp", own, "org.eclipse.jdt.internal.compiler.batch.Main"]
    options = ["-17", "-nowarn", "-proc:none", "-encoding", "UTF-8", "-classpath", f"{own}:{kafka}", "-d", str(folder)]
    subprocess.run([*compiler, *options, str(HERE / "Procedure.java")], check=True)
    _write(folder / "properties", "".join(f"{name}={value}\n" for name, value in _properties(config, folder).items()))
    inputs = {stage: [PREFIX + each for each in of] for stage, of in INPUTS_OF.items()}
    _write(folder / "procedure", orjson.dumps({"prefix": PREFIX, "inputs": inputs, "events": EVENTS_OF}).decode())
    command = [java, "-Xmx512m", "-cp", libraries, "Procedure", str(folder / "properties"), str(folder / "procedure")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_running(process, folder / "log")
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _properties(config: Settings, folder: Path) -> Mapping[str, object]:
    """Its configuration: librdkafka's settings in Java's words, and what Kafka's guide asks for to be exactly once."""
    given = for_librdkafka(config)
    properties: dict[str, object] = {
        "application.id": APPLICATION,
        "bootstrap.servers": given["bootstrap.servers"],
        "security.protocol": given["security.protocol"],
        "processing.guarantee": "exactly_once_v2",
        "num.stream.threads": THREADS,
        "replication.factor": config.kafka_replication,
        "state.dir": folder / "state",
    }
    if "sasl.username" in given:
        properties["sasl.mechanism"] = given["sasl.mechanism"]
        login = "plain.Plain" if given["sasl.mechanism"] == "PLAIN" else "scram.Scram"
        properties["sasl.jaas.config"] = (
            f"org.apache.kafka.common.security.{login}LoginModule required "
            f'username="{given["sasl.username"]}" password="{given["sasl.password"]}";'
        )
    return properties


def _write(path: Path, text: str) -> None:
    """One file of the application's, for nobody else's eyes: the password of the broker is in it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _wait_until_running(process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while "running" not in log.read_text().splitlines():
        if process.poll() is not None or time.monotonic() > ends:
            raise TimeoutError(f"Kafka Streams does not run:\n{log.read_text()[-1000:]}")
        time.sleep(0.1)
