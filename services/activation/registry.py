"""The registry of registration numbers and 1C:ITS contracts (L19): an interface, and the table behind it by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from postavka.domain.reference.store import Registration, find_registrations


class ContractRegistry(Protocol):
    """The vendor's user base, as activation sees it."""

    def find(self, numbers: Sequence[str]) -> Mapping[str, Registration]:
        """The registrations with these numbers; unknown ones are left out."""
        ...


class EmbeddedRegistry:
    """The tables of the reference data in PostgreSQL."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def find(self, numbers: Sequence[str]) -> Mapping[str, Registration]:
        """The registrations of these numbers, by one query for all of them."""
        return find_registrations(self._conninfo, numbers)
