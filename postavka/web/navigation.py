"""The navigation that all parts share: each part's pages name their entries, here is who sees which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from postavka.web.identity.principal import Principal, Role


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the navigation. `order` sorts; `icon` names one of the icons that ship with the pages; `in_menu`: it
    stands in the menu of the account, for what is set up once."""

    title: str
    path: str
    roles: frozenset[Role]
    order: int = 100
    icon: str | None = None
    in_menu: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry on a page; `current` when the page belongs to it."""

    title: str
    path: str
    icon: str | None
    current: bool
    in_menu: bool


def entries_for(entries: Iterable[Entry], principal: Principal | None, path: str) -> list[Shown]:
    """The entries of this role, in order; the longest path that fits is current."""
    seen = [each for each in entries if principal is not None and principal.role in each.roles]
    fitting = [each.path for each in seen if path == each.path or path.startswith(each.path.rstrip("/") + "/")]
    current = max(fitting, key=len, default=None)
    seen.sort(key=lambda each: (each.order, each.title))
    return [Shown(each.title, each.path, each.icon, each.path == current, each.in_menu) for each in seen]
