"""`python -m services.payments`: a worker of the books, and the folder of statements if one is set."""

from __future__ import annotations

import os
import threading
from functools import cache

from postavka.kernel.process.logs import logger
from postavka.kernel.projection.worker import main
from postavka.kernel.settings import Settings
from services.payments.folder import StatementsFolder
from services.payments.loader import Loader
from services.payments.metrics import Figures
from services.payments.projection import Books
from services.payments.settings import payments_settings

log = logger("services.payments")


def start(config: Settings) -> Books:
    """The books; statements are taken beside, in a thread that takes the process down with it when it fails."""
    chosen = payments_settings()
    if chosen.statements_folder is not None:
        loader = cache(lambda: Loader(config, chosen.bank_accounts))
        folder = StatementsFolder(chosen.statements_folder, loader)
        threading.Thread(target=_watch, args=(folder,), name="statements", daemon=True).start()
    return Books(config)


def _watch(folder: StatementsFolder) -> None:
    try:
        folder.run(threading.Event())
    except Exception:
        log.exception("the folder of statements is not watched any more")
        os._exit(1)


if __name__ == "__main__":
    main(start, lambda config, _: [Figures(config)])
