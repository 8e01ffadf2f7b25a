"""`python -m services.feed`: follows the log, and numbers the events of each tenant."""

from __future__ import annotations

from postavka.kernel.projection.worker import main
from services.feed.projection import SCHEMA, FeedProjection

GATHER_MS = 500
"""Between two fetches while records flow: who polls an API does not see the difference, and the stages keep the
processor."""

if __name__ == "__main__":
    main(SCHEMA, FeedProjection, gather_ms=GATHER_MS)
