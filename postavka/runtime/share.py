"""One share of the processor for all programs of a home folder, so that niceness counts among them.

Linux divides the processor between sessions (`setsid`) first, all of the same weight, and looks at niceness only within
one (sched(7), "The autogroup feature"). Every process of PostgreSQL makes a session of its own: one that counts letters
weighs as much as Kafka and all services together. Within a control group of the processor there is no such division.

systemd and containers put their programs into one as a rule. Who is in none needs to be root to make one; who is not is
told so by `postavka doctor`.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")
GROUPS = Path("/proc/self/cgroup")
MOUNTS = Path("/proc/self/mounts")


class Share:
    """A control group for this process and the children it will have; without effect where none is needed or may be
    made."""

    def __init__(self, name: str) -> None:
        self._root = undivided()
        if self._root is not None:
            self._folder = self._root / name
            try:
                _hand_down(self._root)
                self._folder.mkdir(exist_ok=True)
                _enter(self._folder)
            except OSError:
                self._root = None

    def close(self) -> None:
        """Leave it, and remove it if nobody else is in it."""
        if self._root is not None:
            with contextlib.suppress(OSError):
                _enter(self._root)
                self._folder.rmdir()
            self._root = None


def undivided() -> Path | None:
    """Where a group could be made, if sessions share the processor here; None where niceness counts among all."""
    try:
        if AUTOGROUP.read_text().strip() == "0":
            return None
        groups = [line.split(":", 2) for line in GROUPS.read_text().splitlines()]
        mounts = [line.split() for line in MOUNTS.read_text().splitlines()]
    except OSError:  # a kernel without the one or the other
        return None
    for _, controllers, place in groups:
        if "cpu" in controllers.split(","):
            found = [Path(each[1]) for each in mounts if each[2] == "cgroup" and "cpu" in each[3].split(",")]
            return found[0] if found and place == "/" else None
    if (0, "/") not in [(len(controllers), place) for _, controllers, place in groups]:
        return None
    found = [Path(each[1]) for each in mounts if each[2] == "cgroup2"]
    # The root has no type; what a container sees as its root has one.
    return found[0] if found and not (found[0] / "cgroup.type").exists() else None


def _enter(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _hand_down(root: Path) -> None:
    """Let groups below the root have a share of the processor (control groups of version 2 must be told)."""
    control = root / "cgroup.subtree_control"
    if control.exists() and "cpu" not in control.read_text().split():
        control.write_text("+cpu")
