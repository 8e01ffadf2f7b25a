"""Jars from Maven's repository: fetched once through `jgo`, checked against our own SHA-256 lists, kept in folders.

A list (`group:artifact:version  sha256`) decides what is run. `jgo` takes a wrong checksum for a warning and a missing
one for none, so that every jar is hashed here: one that differs is refused, and so is a jar in the folder that the list
does not name. Only what is in the list is fetched; `jgo` never looks for a Java. Once the folder is complete a start
needs no network and only compares sizes and times with those noted when all was right.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from postavka.kernel.errors import UserError
from postavka.kernel.runtime.progress import ReportedStep, Silent, StepReporter

STAMP = "checked.json"
THREADS = 6
FETCH_SECONDS = 60


class WrongJars(UserError):
    """A jar is not what its list says, or could not be fetched."""


class UnreachedJars(WrongJars):
    """A jar could not be fetched."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar, as a line of a list names it."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """The file's name, as Maven Central has it."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinate(self) -> str:
        """The name that Maven knows it by: `group:artifact:version`."""
        return f"{self.group}:{self.artifact}:{self.version}"


def jars_of(text: str) -> list[Jar]:
    """The jars that a list names, in its order."""
    jars = []
    for line in text.splitlines():
        coordinate, sha256 = line.split()
        group, artifact, version = coordinate.split(":")
        jars.append(Jar(group, artifact, version, sha256))
    return jars


def fetched(folder: Path, locked: Sequence[Jar], what: str, progress: StepReporter | None = None) -> list[Path]:
    """The files of these jars in `folder`, in their order; fetched and checked if need be. `what` they are is told
    meanwhile. Raises `WrongJars`."""
    if not _unchanged(folder, locked):
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder), (progress or Silent()).step(f"{what}: {len(locked)} jars (once)") as step:
            _complete(folder, locked, step)
    return [folder / jar.file for jar in locked]


def _complete(folder: Path, locked: Sequence[Jar], step: ReportedStep) -> None:
    """Fetch what is missing, check everything, note that it was right."""
    if not (folder / STAMP).exists():
        _remove_strangers(folder, locked)
    missing = [jar for jar in locked if not (folder / jar.file).exists()]
    with tempfile.TemporaryDirectory(dir=folder) as staging, ThreadPoolExecutor(THREADS) as pool:
        counted = threading.Lock()
        done = [0, 0]

        def fetch(jar: Jar) -> None:
            _fetch(jar, folder, Path(staging))
            with counted:
                done[0] += 1
                done[1] += (folder / jar.file).stat().st_size
                step.note(f"{done[0]} of {len(missing)} fetched, {done[1] / 1e6:.0f} MB")

        list(pool.map(fetch, missing))
    step.note("checking")
    _check(folder, locked)
    stamp = folder / f"{STAMP}.new"
    stamp.write_text(json.dumps(_sizes_and_times(folder, locked)))
    stamp.replace(folder / STAMP)


def _fetch(jar: Jar, folder: Path, staging: Path) -> None:
    """One jar, from the user's own Maven cache if it has the right one, else from the repository."""
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    settings = GlobalSettings.load()
    repositories = {"central": MAVEN_CENTRAL_URL, **settings.repositories}
    actual = "nothing"
    for cache in ([settings.repo_cache], []):
        context = MavenContext(repo_cache=staging, local_repos=cache, remote_repos=repositories, timeout=FETCH_SECONDS)
        try:
            found = Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            raise UnreachedJars(f"{jar.coordinate} could not be fetched (needed once): {error}") from error
        actual = sha256_of(found)
        if actual == jar.sha256:
            part = folder / f"{jar.file}.part"
            shutil.copyfile(found, part)
            part.replace(folder / jar.file)
            return
        if found.is_relative_to(staging):
            found.unlink()
    raise WrongJars(f"{jar.coordinate}: the repository gave SHA-256 {actual}, our list says {jar.sha256}")


def _check(folder: Path, locked: Sequence[Jar]) -> None:
    for jar in locked:
        actual = sha256_of(folder / jar.file)
        if actual != jar.sha256:
            raise WrongJars(
                f"{folder / jar.file} has SHA-256 {actual}, our list says {jar.sha256}: somebody changed it. "
                "Delete it to have it fetched again"
            )
    if strangers := _strangers(folder, locked):
        raise WrongJars(f"{strangers[0]} is not in our list: delete it, and find out who put it there")


def _strangers(folder: Path, locked: Sequence[Jar]) -> list[Path]:
    return sorted(set(folder.glob("*.jar")) - {folder / jar.file for jar in locked})


def _remove_strangers(folder: Path, locked: Sequence[Jar]) -> None:
    """Jars of an older list."""
    for path in _strangers(folder, locked):
        path.unlink()


def _unchanged(folder: Path, locked: Sequence[Jar]) -> bool:
    """Is everything as it was when the hashes were right? Sizes and times only, so that it costs nothing."""
    try:
        noted = json.loads((folder / STAMP).read_text())
        if noted["list"] != _digest(locked):
            (folder / STAMP).unlink()
            return False
        return bool(noted == _sizes_and_times(folder, locked)) and not _strangers(folder, locked)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sizes_and_times(folder: Path, locked: Sequence[Jar]) -> dict[str, object]:
    seen: dict[str, object] = {"list": _digest(locked)}
    for jar in locked:
        status = (folder / jar.file).stat()
        seen[jar.file] = [status.st_size, status.st_mtime_ns]
    return seen


def _digest(locked: Sequence[Jar]) -> str:
    return hashlib.sha256(repr(locked).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two starts that share the folder must not write it at once."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
