"""Names of partners and distributors that people type: one that the reference data does not have is refused."""

from __future__ import annotations

from postavka.domain.reference.store import current
from postavka.kernel.id_beginning import unknown
from postavka.kernel.settings import Settings, database_url


def require_known(config: Settings, *, partner: str | None = None, distributor: str | None = None) -> None:
    """Raises `NotFound` for one that the reference data does not have, with the one that may have been meant."""
    if partner is None and distributor is None:
        return
    known = current(database_url(config))
    for what, typed, names in (("partner", partner, known.partners), ("distributor", distributor, known.distributors)):
        if typed is not None and typed not in names:
            raise unknown(f"{what} of the reference data", typed, names)
