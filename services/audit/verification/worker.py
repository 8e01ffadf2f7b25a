"""A worker of a verification: `python -m services.audit.verification.worker FOLDER`. Jobs come as JSON lines on its
input (the records of a stage, or the fold of partition numbers), answers go as JSON lines to its output.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from postavka.kernel.settings import Settings, settings
from services.audit.consistent_cut import Cut
from services.audit.integrity.signed import check_checkpoints, known_gaps
from services.audit.reading import LOG_OF
from services.audit.verification.documents import check_documents
from services.audit.verification.fold_check import check_share
from services.audit.verification.orders import check_orders
from services.audit.verification.stored_and_published import StoredAndPublished
from services.audit.verification.verify import read_cut

TELL_EVERY = 5_000
"""Records."""


def main(config: Settings, folder: Path) -> None:
    """Check and report, until no more jobs come."""
    gc.disable()
    cut = read_cut(folder)
    for line in sys.stdin.buffer:
        job = orjson.loads(line)
        if job["stage"]:
            _records(config, folder, cut, job["stage"])
        else:
            _fold(config, cut, job["partitions"])
        gc.collect()


def _records(config: Settings, folder: Path, cut: Cut, stage: str) -> None:
    head, log = cut.heads[stage], LOG_OF[stage]
    gaps = known_gaps(config, log)
    check = StoredAndPublished(config, stage, log, f"/postavka/{stage}", head, cut.ends, folder, gaps)
    kept: list[bytes] = []
    findings = check.run(_telling(), kept.append)
    holding = check_checkpoints(config, log, kept[0], head, findings)
    if stage == "shipping":
        check_orders(config, head, findings)
    _say({"done": check.reached.records, "findings": findings.as_json(), "checkpoints": holding})


def _fold(config: Settings, cut: Cut, partitions: list[int]) -> None:
    share = check_share(config, cut, partitions, _telling())
    documents = check_documents(config, share.documents, share.findings)
    _say(
        {
            "done": share.events,
            "findings": share.findings.as_json(),
            "permissions": share.permissions,
            "documents": documents,
            "requests": share.requests,
        }
    )


def _telling() -> Callable[[int], None]:
    """Says how much is done, now and then."""
    reported = 0

    def tell(done: int) -> None:
        nonlocal reported
        if done - reported >= TELL_EVERY:
            reported = done
            _say({"done": done})

    return tell


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(settings(), Path(sys.argv[1]))
