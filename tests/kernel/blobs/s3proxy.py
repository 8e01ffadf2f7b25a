"""A real S3 server on this machine: S3Proxy, one jar from Maven, on the Java that runs Kafka. It checks signatures."""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from postavka.kernel.runtime.java import find_java
from tests.paths import JARS

VERSION = "2.2.0"
SHA256 = "ee2078d8b560ab6b729ae469555ef317f25c16109cc31a453d650295f39f7a35"
ACCESS_KEY_ID, SECRET_ACCESS_KEY = "postavka", "only-for-this-test"
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    """One that runs. Its objects are the files below `folder`, so that a test can damage them."""

    endpoint: str
    folder: Path
    bucket: str

    def file(self, key: str) -> Path:
        """The file in which an object lies."""
        return self.folder / self.bucket / key


@contextmanager
def s3_server(bucket: str) -> Iterator[S3Server]:
    """Start it with one empty bucket; gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="postavka-s3-"))
    (home / "objects" / bucket).mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    properties = {
        "s3proxy.endpoint": f"http://127.0.0.1:{port}",
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": ACCESS_KEY_ID,
        "s3proxy.credential": SECRET_ACCESS_KEY,
        "jclouds.provider": "filesystem",
        "jclouds.filesystem.basedir": str(home / "objects"),
    }
    (home / "properties").write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    command = [str(find_java()), "-Xmx128m", "-jar", str(_jar()), "--properties", str(home / "properties")]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _listens(port):
            assert server.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.05)
        yield S3Server(f"http://127.0.0.1:{port}", home / "objects", bucket)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _jar() -> Path:
    """The jar, fetched once and checked."""
    place = JARS / f"s3proxy-{VERSION}.jar"
    if not place.exists():
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext

        config = GlobalSettings.load()
        remote = {"central": MAVEN_CENTRAL_URL, **config.repositories}
        JARS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=JARS) as staging:
            maven = MavenContext(repo_cache=Path(staging), local_repos=[], remote_repos=remote, timeout=120)
            release = maven.project("org.gaul", "s3proxy").at_version(VERSION)
            Path(release.artifact(classifier="jar-with-dependencies").resolve()).replace(place)
    found = hashlib.sha256(place.read_bytes()).hexdigest()
    assert found == SHA256, f"{place} has SHA-256 {found}: delete it to have it fetched again"
    return place
