"""One share of the processor for all programs of a home folder, so that niceness counts among them.

Linux divides the processor between sessions (`setsid`) first, all of the same weight, and looks at niceness only within
one (sched(7), "The autogroup feature"). Every process of PostgreSQL makes a session of its own: one that counts letters
weighs as much as Kafka and all services together. Within a control group of the processor there is no such division;
the group as a whole weighs as much as one session beside it.

systemd and containers put their programs into one as a rule. Who is in none needs to be root to make one; who is not is
warned of it by `postavka doctor`.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")
GROUPS = "/proc/{process}/cgroup"
MOUNTS = Path("/proc/self/mounts")


class ProcessorShare:
    """A control group for this process and the children it will have; without effect where none is needed or may be
    made. A second one in the same process is the first one's. After a `kill -9` an empty group is left behind, which
    costs nothing and is taken again by who has its name."""

    def __init__(self, name: str) -> None:
        found = division()
        self._entered: Path | None = None
        if found is not None and found.in_root:
            folder = found.root / name
            with contextlib.suppress(OSError):
                _hand_down(found.root)
                folder.mkdir(exist_ok=True)
                self._entered = folder
                _enter(folder)

    def close(self) -> None:
        """Leave it, and remove it if nobody else is in it."""
        if self._entered is not None:
            with contextlib.suppress(OSError):
                _enter(self._entered.parent)
                self._entered.rmdir()
            self._entered = None


@dataclass(frozen=True, slots=True)
class Division:
    """Sessions divide the processor. `root`: of the control groups that could prevent it; `in_root`: the process is in
    none of them."""

    root: Path
    in_root: bool


def division(process: int | str = "self") -> Division | None:
    """The division of the processor by niceness; None where niceness counts among all: there is no autogroup, or this
    process is in a group with a share."""
    try:
        if AUTOGROUP.read_text().strip() == "0":
            return None
        lines = Path(GROUPS.format(process=process)).read_text().splitlines()
        mounts = [line.split() for line in MOUNTS.read_text().splitlines()]
    except OSError:  # a kernel without the one or the other
        return None
    groups = {controllers: place for _, controllers, place in (line.split(":", 2) for line in lines)}
    for controllers, place in groups.items():
        if "cpu" in controllers.split(","):  # version 1
            roots = [Path(each[1]) for each in mounts if each[2] == "cgroup" and "cpu" in each[3].split(",")]
            return Division(roots[0], in_root=True) if roots and place == "/" else None
    roots = [Path(each[1]) for each in mounts if each[2] == "cgroup2"]
    if not roots or "" not in groups:
        return None
    root, in_root = roots[0], groups[""] == "/"
    if (root / "cgroup.type").exists():  # a container's: what it sees as the root is a group
        return None if "cpu" in _words(root / "cgroup.controllers") else Division(root, in_root=False)
    # In a group that has no share (systemd gives them when it is asked to), sessions divide the processor as well.
    return None if not in_root and "cpu" in _words(root / "cgroup.subtree_control") else Division(root, in_root)


def _enter(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _hand_down(root: Path) -> None:
    """Let groups below the root have a share of the processor: in version 2 a setting for all of them, and for good."""
    if (root / "cgroup.subtree_control").exists() and "cpu" not in _words(root / "cgroup.subtree_control"):
        (root / "cgroup.subtree_control").write_text("+cpu")


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []
