"""Personal data in rows that are shown: readable while its key exists, «стёрто» afterwards."""

from __future__ import annotations

from typing import TypeVar

from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.settings import Settings, settings

T = TypeVar("T")

_chosen: list[Settings] = []


def use(config: Settings) -> None:
    """Where the keys are; without it, where the environment says."""
    _chosen[:] = [config]


def reveal(rows: T) -> T:
    """The rows with what is encrypted in them made readable. Blocks: call it in a thread."""
    revealed: T = open_vault(_chosen[0] if _chosen else settings()).reveal(rows)
    return revealed
