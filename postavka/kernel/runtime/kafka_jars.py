"""Kafka's jars, by the list beside this file (`postavka.kernel.runtime.jars` fetches and checks them).

After a change of `ENDPOINTS`: `python -m postavka.kernel.runtime.kafka_jars --relock`, and read the difference.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

from postavka.kernel.runtime.jars import THREADS, Jar, WrongJars, fetched, jars_of, sha256_of
from postavka.kernel.runtime.progress import StepReporter

VERSION = "4.3.1"
ENDPOINTS = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    f"org.apache.kafka:kafka-tools:{VERSION}",
    # Kafka logs through SLF4J 1.7; its release adds this binding to the jars, its POM does not: without it no log.
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
)
"""Resolved one by one: taken together, jgo 3.2 settles on kafka-clients 3.9.1."""
LOCK = f"kafka-{VERSION}.jars.lock"


def class_path(jars: Path, progress: StepReporter | None = None) -> str:
    """The class path of Kafka, under `jars`/kafka-<version>; fetched and checked if need be. Raises `WrongJars`."""
    return ":".join(map(str, fetched(jars / f"kafka-{VERSION}", read_lock(), f"Kafka {VERSION}", progress)))


def read_lock() -> list[Jar]:
    """What Kafka runs on, in the order of the class path."""
    return jars_of((files(__package__) / LOCK).read_text("utf-8"))


def relock(target: Path) -> None:
    """Write the lock file anew from what resolves now. Needs the network."""
    import jgo

    artifacts = {a.key: a for endpoint in ENDPOINTS for a in jgo.resolve(endpoint) if a.packaging == "jar"}
    if duplicated := len(artifacts) - len({(a.groupId, a.artifactId) for a in artifacts.values()}):
        raise WrongJars(f"{duplicated} artifacts were resolved in two versions: see `ENDPOINTS`")
    with ThreadPoolExecutor(THREADS) as pool:
        lines = pool.map(
            lambda a: f"{a.groupId}:{a.artifactId}:{a.version}  {sha256_of(Path(a.resolve()))}", artifacts.values()
        )
    target.write_text("".join(f"{line}\n" for line in sorted(lines)), "utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--relock"]:
        sys.exit("usage: python -m postavka.kernel.runtime.kafka_jars --relock")
    relock(Path(__file__).with_name(LOCK))
