"""What is wrong with the revocation lists of this machine, for `postavka doctor` and operations' pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.shipping.revocation import KnownList, RevocationLists


@dataclass(frozen=True, slots=True)
class Survey:
    """`usable`: how many lists can be used. `wrong`: sentences that begin with the name of a file."""

    usable: int
    wrong: tuple[str, ...]


def survey(lists: RevocationLists, at: datetime) -> Survey:
    """Files that can't be read, lists that say something critical that is not understood, and lists whose time is over
    at `at` with no later one of the same kind beside."""
    found = lists.found()
    wrong = [f"{bad.file.name}: {bad.why}" for bad in found.bad]
    wrong += [
        f"{each.file.name}: critical and not understood: {', '.join(each.scope.strange)}"
        for each in found.lists
        if each.scope.strange
    ]
    over = [each for each in _newest(found.lists) if _is_over(each, at)]
    wrong += [f"{each.file.name}: ended on {each.crl.next_update_utc:%Y-%m-%d %H:%M} UTC" for each in over]
    return Survey(len(found.lists) - sum(bool(each.scope.strange) for each in found.lists), tuple(wrong))


def _newest(lists: Sequence[KnownList]) -> list[KnownList]:
    """Of each issuer and each kind of its lists."""
    newest: dict[object, KnownList] = {}
    for each in sorted(lists, key=lambda each: each.crl.last_update_utc):
        newest[each.crl.issuer, each.scope] = each
    return [each for each in newest.values() if not each.scope.is_delta]


def _is_over(each: KnownList, at: datetime) -> bool:
    until = each.crl.next_update_utc
    return until is not None and until < at
