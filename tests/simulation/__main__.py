"""`python -m tests.simulation --seeds 1000000`: the long form, over all processors. Ends with the first failure, as a
test to be pasted."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count

from tests.simulation.simulation import Failure, as_test, first_failure, shortened

SHARE = 500
TELL_SECONDS = 5.0


def main(arguments: list[str]) -> int:
    """Run them; 1 when one of them fails."""
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many histories")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=cpu_count() or 1)
    asked = parser.parse_args(arguments)
    began = told = time.monotonic()
    shares = [
        range(low, min(low + SHARE, asked.first + asked.seeds))
        for low in range(asked.first, asked.first + asked.seeds, SHARE)
    ]
    with ProcessPoolExecutor(asked.processes) as pool:
        for share, said in zip(shares, pool.map(told_failure, shares), strict=True):
            if said is not None:
                pool.shutdown(wait=False, cancel_futures=True)
                print(said)
                return 1
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                done = share.stop - asked.first
                print(f"{done:,} of {asked.seeds:,} histories, {done / (told - began):,.0f} a second", flush=True)
    print(f"{asked.seeds:,} histories in {time.monotonic() - began:,.0f} s: nothing lost, nothing twice")
    return 0


def told_failure(seeds: range) -> str | None:
    """The first failure of these seeds, as a test; None if all is well."""
    failure: Failure | None = first_failure(seeds)
    return None if failure is None else f"seed {failure.seed}: {failure.error}\n\n{as_test(shortened(failure))}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
