"""`python -m services.payments`: a worker of the books, and the folder of statements if one is set."""

from __future__ import annotations

import threading
from functools import cache

from postavka.kernel.process.service import run_beside
from postavka.kernel.projection.worker import main
from postavka.kernel.settings import Settings
from services.payments.folder import StatementsFolder
from services.payments.loader import Loader
from services.payments.metrics import Figures
from services.payments.projection import SCHEMA, Books
from services.payments.settings import payments_settings


def start(config: Settings) -> Books:
    """The books; statements are taken beside."""
    books, chosen = Books(config), payments_settings()
    if chosen.statements_folder is not None:
        loader = cache(lambda: Loader(config, chosen.bank_accounts))
        folder = StatementsFolder(chosen.statements_folder, loader)
        run_beside("statements", lambda: folder.run(threading.Event()))
    return books


if __name__ == "__main__":
    main(SCHEMA, start, lambda config, _: [Figures(config)])
