"""Drills on a cluster: python -m tests.cluster [--drill NAME …]

Three brokers (KRaft, three replicas, two in sync, SASL and TLS), a primary PostgreSQL and its synchronous standby, all
services and a second worker of each stage, on this machine. Requests flow, something breaks, and then it is judged: is
everything done, is nothing lost or doubled, does the audit prove it? Each drill prints how long work stood. The exit
status is 0 only if nothing is wrong. See docs/cluster.md.
"""

from __future__ import annotations

import argparse
import inspect
import signal
import sys
import textwrap
import time

from tests.cluster.drills import DRILLS, NEED_HOSTS, Report, Sent, carry_out
from tests.cluster.hosts import why_no_hosts
from tests.cluster.rig import rig
from tests.faults.schedule import OF_THE_PROCEDURE, SERVICES
from tests.paths import JARS
from tests.system.own_whole import own_folder


def main() -> None:
    """Carry drills out, one after another, and print a report of each."""
    told = "\n".join(f"  {name:<12} {inspect.getdoc(drill)}" for name, drill in DRILLS.items())
    wanted = argparse.ArgumentParser(
        prog="python -m tests.cluster",
        description=f"{__doc__}\ndrills:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=textwrap.dedent("""\
            examples:
              python -m tests.cluster                                  all drills, about a quarter of an hour
              python -m tests.cluster --drill promotion --keep         one; logs and data stay
              python -m tests.cluster --drill broker pause --few       without what only reads: starts faster"""),
    )
    wanted.add_argument("--drill", nargs="+", choices=DRILLS, default=list(DRILLS), metavar="NAME", help="these only")
    wanted.add_argument("--rate", type=float, default=4, help="requests a second (default: 4)")
    wanted.add_argument("--seed", type=int, default=1, help="of the requests that are sent")
    wanted.add_argument("--few", action="store_true", help="only the services that the procedure needs")
    wanted.add_argument("--one-worker", action="store_true", help="no second worker of each stage")
    wanted.add_argument("--keep", action="store_true", help="leave logs and data where they are")
    chosen = wanted.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # hosts and servers go with it
    drills = list(chosen.drill)
    services = OF_THE_PROCEDURE if chosen.few else SERVICES
    if (impossible := why_no_hosts()) is not None:
        for name in [each for each in drills if each in NEED_HOSTS]:
            print(f"left out: {name}: {impossible}")
            drills.remove(name)
    reports: list[Report] = []
    own_hosts = bool({*drills} & {*NEED_HOSTS})
    with (
        own_folder("cluster", keep=chosen.keep) as home,
        rig(home, JARS, services, standby=True, own_hosts=own_hosts) as running,
    ):
        if not chosen.one_worker:
            running.start_second_workers()
        sent = Sent()
        for number, name in enumerate(drills):
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
            reports.append(carry_out(running, name, chosen.rate, chosen.seed + number, sent))
            print(reports[-1], flush=True)
        if any(each.violations for each in reports):
            raise SystemExit("something is wrong: see the violations above")


if __name__ == "__main__":
    main()
