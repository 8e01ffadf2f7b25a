"""Kafka's jars: resolved through `jgo`, checked against our own SHA-256 list, kept in a folder.

`jgo` takes a wrong checksum for a warning, so that the list beside this file decides: a jar that is missing from it, is
too many or differs is refused. Once the folder is complete, a start needs no network. After a change of `VERSION`:
`python -m postavka.runtime.kafka_jars`, and read the difference before committing it.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from postavka.runtime.progress import Progress, Silent

VERSION = "4.3.1"
ENDPOINTS = (f"org.apache.kafka:kafka_2.13:{VERSION}", f"org.apache.kafka:kafka-tools:{VERSION}")
LOCK = f"kafka-{VERSION}.jars.lock"
STAMP = "complete"


class WrongJars(RuntimeError):
    """What was resolved is not what the lock file says."""


def class_path(home: Path, progress: Progress | None = None) -> str:
    """The class path of Kafka under `home`, fetched and checked if need be. Raises `WrongJars`."""
    folder = home / f"kafka-{VERSION}"
    locked = read_lock()
    stamp = folder / STAMP
    if not stamp.exists() or stamp.read_text() != _digest(locked):
        with (progress or Silent()).step(f"Kafka {VERSION}: fetching {len(locked)} jars (once)") as step:
            resolved = _resolve()
            step.note("checking")
            _check(resolved, locked)
            folder.mkdir(parents=True, exist_ok=True)
            for name, path in resolved.items():
                shutil.copyfile(path, folder / name)
            stamp.write_text(_digest(locked))
    missing = [name for name in locked if not (folder / name).exists()]
    if missing:
        stamp.unlink()
        raise WrongJars(f"{missing[0]} has gone from {folder}; start again to fetch it")
    return ":".join(str(folder / name) for name in sorted(locked))


def read_lock() -> dict[str, str]:
    """File name → SHA-256 in hexadecimal."""
    lines = (files(__package__) / LOCK).read_text("utf-8").splitlines()
    return dict(reversed(line.split()) for line in lines if line)  # type: ignore[misc]


def _digest(locked: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(locked.items())).encode()).hexdigest()


def _resolve() -> dict[str, Path]:
    """File name → where jgo has put it."""
    import jgo

    return {
        path.name: path
        for endpoint in ENDPOINTS
        for path in (Path(artifact.resolve()) for artifact in jgo.resolve(endpoint))
        if path.suffix == ".jar"
    }


def _check(resolved: dict[str, Path], locked: dict[str, str]) -> None:
    for name in sorted(resolved.keys() | locked.keys()):
        if name not in resolved:
            raise WrongJars(f"{name} is in {LOCK} but was not resolved")
        if name not in locked:
            raise WrongJars(f"{name} was resolved but is not in {LOCK}")
        actual = hashlib.sha256(resolved[name].read_bytes()).hexdigest()
        if actual != locked[name]:
            raise WrongJars(f"{name} has SHA-256 {actual}, {LOCK} says {locked[name]}; remove it from the local cache")


def relock(target: Path) -> None:
    """Write the lock file anew from what is resolved now."""
    resolved = _resolve()
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}" for name, path in sorted(resolved.items())]
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    relock(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name(LOCK))
