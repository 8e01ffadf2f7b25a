"""The survey of the revocation lists of this machine, for `postavka doctor` and operations' pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.shipping.revocation import BadFile, KnownList, RevocationLists


@dataclass(frozen=True, slots=True)
class Survey:
    """The lists by what can be done with them."""

    usable: int
    unreadable: tuple[BadFile, ...]
    not_understood: tuple[KnownList, ...]
    """They say something critical that nobody here knows."""
    ended: tuple[KnownList, ...]
    """Their time is over, and there is no later one of the same kind."""

    def sentences(self) -> list[str]:
        """What is wrong, each beginning with the name of a file; none if all is well."""
        return [
            *(f"{each.file.name}: {each.why}" for each in self.unreadable),
            *(
                f"{each.file.name}: critical and not understood: {', '.join(each.scope.strange)}"
                for each in self.not_understood
            ),
            *(f"{each.file.name}: ended on {each.crl.next_update_utc:%Y-%m-%d %H:%M} UTC" for each in self.ended),
        ]

    def details(self) -> dict[str, Any]:
        """The names of files for `/healthz`; None where all is well."""
        return {
            "revocation_lists": self.usable,
            "revocation_lists_unreadable": _names(self.unreadable),
            "revocation_lists_not_understood": _names(self.not_understood),
            "revocation_lists_ended": _names(self.ended),
        }


def survey(lists: RevocationLists, at: datetime) -> Survey:
    """What the files hold now, judged at `at`."""
    found = lists.found()
    strange = tuple(each for each in found.lists if each.scope.strange)
    ended = tuple(each for each in _newest(found.lists) if _is_over(each, at))
    return Survey(len(found.lists) - len(strange), found.bad, strange, ended)


def _newest(lists: Sequence[KnownList]) -> list[KnownList]:
    """The newest list of each issuer and each kind; a delta is as good as none when its time is over."""
    newest: dict[object, KnownList] = {}
    for each in sorted(lists, key=lambda each: each.crl.last_update_utc):
        newest[each.issuer, each.scope] = each
    return [each for each in newest.values() if not each.scope.is_delta]


def _is_over(each: KnownList, at: datetime) -> bool:
    until = each.crl.next_update_utc
    return until is not None and until < at


def _names(files: Iterable[BadFile | KnownList]) -> str | None:
    return ", ".join(sorted({each.file.name for each in files})) or None
