"""`python -m tests.faults --seed 7 --seconds 300`: one storm. See docs/faults.md."""

from __future__ import annotations

import argparse
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.disk import in_a_namespace_of_our_own
from tests.faults.schedule import KINDS, SERVICES, draw, read_schedule
from tests.paths import JARS


def main() -> int:
    """0: nothing was violated."""
    wanted = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    wanted.add_argument("--seed", type=int, help="the schedule of the same seed is the same; default: a new one")
    wanted.add_argument("--seconds", type=float, default=300, help="how long load and faults last")
    wanted.add_argument("--every", type=float, default=5, help="seconds from a fault to the next")
    wanted.add_argument("--rate", type=float, default=10, help="requests a second")
    wanted.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="these kinds of faults only")
    wanted.add_argument("--services", nargs="+", choices=SERVICES, default=SERVICES, help="run these services only")
    wanted.add_argument("--schedule", type=Path, help="faults from this file instead, one a line")
    wanted.add_argument("--keep", action="store_true", help="leave logs and data where they are")
    chosen = wanted.parse_args()
    own_disks = in_a_namespace_of_our_own()
    seed = chosen.seed if chosen.seed is not None else secrets.randbelow(1_000_000)
    if chosen.schedule is not None:
        faults = read_schedule(chosen.schedule.read_text("utf-8"))
    else:
        faults = draw(seed, chosen.seconds, chosen.every, chosen.kinds, chosen.services)
    print(f"seed {seed}, {len(faults)} faults in {chosen.seconds:g} s", flush=True)
    home = Path(tempfile.mkdtemp(prefix="postavka-faults-"))
    home.chmod(0o755)
    from tests.faults.storm import storm  # after the step into the namespace

    report = None
    try:
        report = storm(home, JARS, seed, faults, chosen.seconds, chosen.rate, chosen.services, own_disks)
        print(report)
    finally:
        if chosen.keep or report is None or report.violations:
            print(f"logs and data: {home}")
            keep_logs(home)
        else:
            subprocess.run(["umount", *mounted_under(home)], check=False, capture_output=True)
            shutil.rmtree(home, ignore_errors=True)
    return 1 if report.violations else 0


def mounted_under(home: Path) -> list[str]:
    """The disks of this run: a folder can't be removed while one lies on it."""
    places = (line.split()[1] for line in Path("/proc/self/mounts").read_text("utf-8").splitlines())
    return [place for place in places if place.startswith(str(home))]


def keep_logs(home: Path) -> None:
    """Out of disks that vanish with this process: logs alone."""
    for mounted in ("kafka", "postgres"):
        log = home / "servers" / mounted / "kafka.log"
        if log.exists():
            shutil.copy(log, home / "servers" / "log" / "kafka-server.log")


if __name__ == "__main__":
    sys.exit(main())
