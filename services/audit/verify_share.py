"""One share of a verification, in a process of its own: `python -m services.audit.verify_share FOLDER STAGE ''` for the
records of a stage, `… FOLDER '' 0,2,4` for the fold of partition numbers. Answers are JSON lines.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import orjson

from postavka.settings import Settings, settings
from services.audit.folded import check_share
from services.audit.orders import check_orders
from services.audit.reading import TOPIC_OF
from services.audit.stored_and_published import StoredAndPublished
from services.audit.verify import read_cut


def main(config: Settings, folder: Path, stage: str, partitions: list[int]) -> None:
    """Check, tell."""
    gc.disable()
    cut = read_cut(folder)
    if stage:
        head = cut.heads[stage]
        check = StoredAndPublished(config, stage, TOPIC_OF[stage], f"/postavka/{stage}", head, cut.ends, folder)
        findings = check.run(lambda records: _say({"done": records}))
        if stage == "shipping":
            check_orders(config, head, findings)
        _say({"done": check.reached.records, "findings": findings.as_json()})
        return
    share = check_share(config, cut, partitions, lambda events: _say({"done": events}))
    _say(
        {
            "done": share.events,
            "findings": share.findings.as_json(),
            "permissions": share.permissions,
            "documents": share.documents,
            "requests": share.requests,
        }
    )


def _say(said: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(said) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    numbers = [int(number) for number in sys.argv[3].split(",") if number]
    main(settings(), Path(sys.argv[1]), sys.argv[2], numbers)
