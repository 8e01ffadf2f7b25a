"""Put together the register that the settings name."""

from __future__ import annotations

from services.cabinet.tax.company import Register
from services.cabinet.tax.memory import RememberingRegister
from services.cabinet.tax.online import OnlineRegister
from services.cabinet.tax.settings import TaxSettings
from services.cabinet.tax.table import TableRegister


def open_register(config: TaxSettings | None = None) -> Register:
    """The register to ask; close it at the end."""
    config = config or TaxSettings()
    if config.source == "table":
        return TableRegister()
    return RememberingRegister(OnlineRegister(config), config)
