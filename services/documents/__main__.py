"""`python -m services.documents`: follows shipping's events, and brings documents on their way beside it."""

from __future__ import annotations

from postavka.kernel.process.service import run_beside
from postavka.kernel.projection.worker import main
from postavka.kernel.settings import Settings
from services.documents.projection import SCHEMA, Documents
from services.documents.worker import NAME, Worker


def start(config: Settings) -> Documents:
    """The projection; the dispatching thread runs beside it."""
    documents = Documents(config)
    run_beside(NAME, Worker(config).run)
    return documents


if __name__ == "__main__":
    main(SCHEMA, start)
