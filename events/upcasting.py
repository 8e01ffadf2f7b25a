"""How old versions are read. Each entry lifts one old type to the next version: from its JSON fields to the next
one's. Chains are followed to the newest. Nothing is ever rewritten in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Fields = dict[str, Any]
Upcaster = tuple[str, Callable[[Fields], Fields]]

UPCASTERS: dict[str, Upcaster] = {}
"""Old type name → (next type name, how its fields become the next one's)."""


def upcast(type_name: str, fields: Fields) -> tuple[str, Fields]:
    """Lift `fields` of `type_name` to the newest version. A type without an entry is the newest."""
    while type_name in UPCASTERS:
        type_name, lift = UPCASTERS[type_name]
        fields = lift(fields)
    return type_name, fields
