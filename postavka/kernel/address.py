"""Import addresses, `package.module:NAME`: what is named by data is imported when it is needed, and not before."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from postavka.kernel.errors import UserError


class NothingThere(UserError):
    """An address names what can't be imported."""


def load(address: str) -> Any:
    """What lies at this address. Raises `NothingThere`, with the address."""
    module, _, name = address.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as missing:
        raise NothingThere(f"{address} is not there: {missing}") from missing
