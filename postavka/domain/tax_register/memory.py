"""Answers of another register, remembered: given again while fresh, and in need while that register is down."""

from __future__ import annotations

import time
from collections.abc import Callable

from postavka.domain.tax_register.company import NotAnswering, RegisteredCompany, TaxRegister
from postavka.domain.tax_register.settings import TaxSettings
from postavka.kernel.latest_used import LatestUsed
from postavka.kernel.process.logs import logger

log = logger(__name__)


class RememberingRegister:
    """A `TaxRegister` that remembers what another one has answered. An old answer bears the day on which it was true,
    so that nobody takes it for today's.

    That there is no company under a number is not remembered: it may have been founded this morning.
    """

    def __init__(self, behind: TaxRegister, config: TaxSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._behind = behind
        self._config = config
        self._clock = clock
        self._remembered = LatestUsed[str, tuple[float, RegisteredCompany]](config.remember_companies)

    async def find(self, inn: str) -> RegisteredCompany | None:
        """Answers as `TaxRegister.find` says."""
        heard_at, company = self._remembered.get(inn, (0.0, None))
        age = self._clock() - heard_at
        if company is not None and age < self._config.remember_seconds:
            self._remembered.move_to_end(inn)
            return company
        try:
            found = await self._behind.find(inn)
        except NotAnswering:
            if company is not None and age < self._config.remember_while_down_seconds:
                log.info("an older answer is given while the tax service is down", as_of=company.as_of.isoformat())
                return company
            raise
        if found is None:
            self._remembered.pop(inn, None)
        else:
            self._remembered.keep({found.inn: (self._clock(), found)})
        return found

    async def close(self) -> None:
        """Close the register behind it."""
        await self._behind.close()
