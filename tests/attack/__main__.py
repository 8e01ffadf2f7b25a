"""`python -m tests.attack --seed 7`: one attack on a whole of its own, which it starts: honest traffic from request to
activation; beside it hostile records, by distributors with their own credentials, and foreign probes of every route.
Ends with 0 if nothing hostile was accepted, nothing of another was shown, the broker and all services live, and
`postavka audit verify` finds all as it was written. See docs/security.md."""

from __future__ import annotations

import argparse
import secrets
import sys

from tests.attack.attack import attack
from tests.system.conftest import System
from tests.system.own_whole import own_whole


def main() -> None:
    """Ends with 1 if anything has failed; logs and data are left then."""
    wanted = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    wanted.add_argument("--records", type=int, default=20_000, help="hostile records (default: %(default)s)")
    wanted.add_argument("--probes", type=int, default=7_000, help="foreign probes (default: %(default)s)")
    wanted.add_argument("--seconds", type=float, default=900, help="the longest for both (default: %(default)s)")
    wanted.add_argument("--seed", type=int, help="the same seed makes the same records and probes; default: a new one")
    wanted.add_argument("--keep", action="store_true", help="leave logs and data where they are")
    chosen = wanted.parse_args()
    seed = chosen.seed if chosen.seed is not None else secrets.randbelow(1_000_000)
    with own_whole("attack", keep=chosen.keep) as launch:
        report = attack(System(launch), chosen.records, chosen.probes, chosen.seconds, seed)
        print(report)
        if report.failed:
            sys.exit(1)


if __name__ == "__main__":
    main()
