"""Disks that can be full: a tmpfs for each server's folder, in a mount namespace of this run alone.

Needs root. Without it there are no such disks, and the run says so.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

SIZE = "6g"
"""Memory is taken only for what is written."""
MARK = "POSTAVKA_FAULTS_OWN_MOUNTS"


def in_a_namespace_of_our_own() -> bool:
    """Start this program again where mounts are seen by nobody else and vanish with it; False where that can't be."""
    if os.environ.get(MARK):
        return True
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        return False
    os.environ[MARK] = "1"
    os.execvp("unshare", ["unshare", "--mount", sys.executable, "-m", "tests.faults", *sys.argv[1:]])  # noqa: S606
    raise AssertionError("unreachable")


class Disk:
    """The disk under one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"
        self._free = threading.Event()
        self._filling: threading.Thread | None = None
        folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(folder)]
        subprocess.run(mount, check=True)

    def fill(self) -> None:
        """Nothing more can be written until `free`."""
        self._free.clear()
        self._filling = threading.Thread(target=self._fill, daemon=True)
        self._filling.start()

    def free(self) -> None:
        """There is room again."""
        self._free.set()
        if self._filling is not None:
            self._filling.join()
            self._filling = None

    def _fill(self) -> None:
        with self._ballast.open("wb") as out:
            size = 0
            while True:
                found = os.statvfs(self._folder)
                if left := found.f_bavail * found.f_frsize:
                    with contextlib.suppress(OSError):  # others take room at the same time
                        os.posix_fallocate(out.fileno(), size, left)
                        size += left
                if self._free.wait(0.05):
                    break
        self._ballast.unlink()
