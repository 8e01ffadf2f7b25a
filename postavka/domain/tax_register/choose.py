"""Put together the register that the settings name."""

from __future__ import annotations

from postavka.domain.tax_register.company import TaxRegister
from postavka.domain.tax_register.memory import RememberingRegister
from postavka.domain.tax_register.online import OnlineRegister
from postavka.domain.tax_register.settings import TaxSettings
from postavka.domain.tax_register.table import TableRegister


def open_register(config: TaxSettings | None = None) -> TaxRegister:
    """The register to ask; close it at the end."""
    config = config or TaxSettings()
    if config.source == "table":
        return TableRegister()
    return RememberingRegister(OnlineRegister(config), config)
