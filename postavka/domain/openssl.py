"""The command `openssl` with its engine `gost` (Debian: `libengine-gost-openssl`), which `cryptography` has not.

Where the engine lies is looked for once, here, for the product and its tests: an `openssl` that comes first on the path
may know another folder of engines than the one into which the package has put it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from glob import glob
from pathlib import Path

SECONDS = 20
"""A check takes milliseconds; a command that hangs must not stop a partition."""
COMMANDS = ("openssl", "/usr/bin/openssl")
ENGINES = ("/usr/lib/*/engines-*/gost.so", "/usr/lib/engines-*/gost.so", "/usr/local/lib*/engines-*/gost.so")
"""Beside what `openssl` knows itself, and what `OPENSSL_ENGINES` says to it."""

_found: dict[str, Mapping[str, str]] = {}
"""Command → what its environment needs for the engine. Only what works is kept: a package may be installed later."""


def find_openssl() -> str | None:
    """The command `openssl`: the first one that has the engine, else the first one; None: there is none."""
    commands = [found for each in COMMANDS if (found := shutil.which(each)) is not None]
    return next((each for each in commands if gost_environment(each) is not None), next(iter(commands), None))


def gost_environment(command: str) -> Mapping[str, str] | None:
    """What the environment of this `openssl` needs to have the engine, mostly nothing; None: it hasn't got it."""
    if command not in _found:
        for each in _environments():
            if _has_engine(command, each):
                _found[command] = each
                break
    return _found.get(command)


def _environments() -> Iterator[Mapping[str, str]]:
    yield {}
    for pattern in ENGINES:
        for engine in sorted(glob(pattern)):
            yield {"OPENSSL_ENGINES": str(Path(engine).parent)}


def _has_engine(command: str, environment: Mapping[str, str]) -> bool:
    try:
        ran = subprocess.run(  # noqa: S603
            [command, "engine", "-t", "gost"],
            env={**os.environ, **environment},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return ran.returncode == 0 and b"[ available ]" in ran.stdout
