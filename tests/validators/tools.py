"""Programs of others that judge what goes out: fetched once, by pinned hashes, and run in one process for many inputs.

Node.js is a wheel among the packages for tests; its packages (`package-lock.json`) land in `.tools/validators`. Jars
(`validators.jars.lock`) lie beside Kafka's and run on its Java. A test whose tool can't be fetched here is skipped, and
says so; a tool that is another than the pinned one fails it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from clients.packages import NODE, UnreachedPackages, installed
from postavka.kernel.runtime.jars import UnreachedJars, fetched, jars_of
from postavka.kernel.runtime.java import find_java
from tests.paths import JARS, PROJECT

HERE = Path(__file__).parent
PACKAGES = PROJECT / ".tools" / "validators"
JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-Xss4m", f"-Duser.home={PACKAGES}")
"""veraPDF writes its settings into the user's home: not into yours."""
SECONDS = 300
"""However busy the machine is, a tool that takes longer hangs."""


def node(script: str, **job: Any) -> Any:
    """What a script beside this file answers about `job`: JSON in, JSON out."""
    return json.loads(_run([NODE, HERE / script], input=json.dumps(job, default=str), NODE_PATH=str(packages())).stdout)


def judged_compose_files(files: Sequence[Path]) -> list[list[str]]:
    """What of each file the schema of the Compose specification refuses."""
    linter = packages() / "dclint" / "bin" / "dclint.cjs"
    answers = json.loads(_run([NODE, linter, "--formatter", "json", "--recursive=false", *files], check=False).stdout)
    found = {answer["filePath"]: answer["messages"] for answer in answers}
    return [
        [message["message"] for message in found[str(file)] if message["rule"] == "invalid-schema"] for file in files
    ]


def java(jar: str, *arguments: str | Path, main: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run what is in a jar of our list (`jar` names its artifact) or in a file; it may find something."""
    file = Path(jar) if jar.endswith(".jar") else jars()[jar]
    program = ["-cp", file, main] if main else ["-jar", file]
    return _run([find_java(), *JAVA, *program, *arguments], check=False)


def jars() -> dict[str, Path]:
    """Our jars by artifact."""
    locked = jars_of((HERE / "validators.jars.lock").read_text("utf-8"))
    if (unreached := _jars_unreached()) is not None:
        pytest.skip(f"the validators' jars can't be reached here: {unreached}")
    return {jar.artifact: JARS / "validators" / jar.file for jar in locked}


def packages() -> Path:
    """The folder of our packages from npm."""
    if (unreached := _packages_unreached()) is not None:
        pytest.skip(f"npm's packages can't be reached here: {unreached}")
    return PACKAGES / "node_modules"


@cache
def _jars_unreached() -> str | None:
    """Fetch them if need be; why they are not here, if they are not."""
    try:
        fetched(JARS / "validators", jars_of((HERE / "validators.jars.lock").read_text("utf-8")), "Validators")
    except UnreachedJars as unreached:
        return str(unreached)
    return None


@cache
def _packages_unreached() -> str | None:
    """Install them if need be; why they are not here, if they are not."""
    try:
        installed(HERE, PACKAGES)
    except UnreachedPackages as unreached:
        return str(unreached)
    return None


def _run(
    command: list[Any], *, check: bool = True, cwd: Path | None = None, input: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    # Into a file: Node ends before a pipe that is full (64 KiB) has been read, and what is left of its answer is lost.
    with tempfile.TemporaryFile("w+") as out:
        done = subprocess.run(
            list(map(str, command)), cwd=cwd, input=input, env={**os.environ, **variables}, stdout=out,
            stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        out.seek(0)
        done.stdout = out.read()
    assert not check or done.returncode == 0, f"{command}: {done.stderr[-4000:]}"
    return done
