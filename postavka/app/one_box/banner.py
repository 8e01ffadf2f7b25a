"""The words of `postavka up` when everything is at work: who can sign in, and what an upgrade has left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from events.versions import CONTRACT
from postavka.kernel.installation.contract import read_finished
from postavka.web.identity.sample import PASSWORD, with_known_password

SHOWN = {"lukomor": "partner", "romashka-it": "partner", "dist-north": "distributor", "ops": "", "auditor": ""}
"""Sample users that are offered, and as what they sign in where their login does not show it."""


def who_signs_in(conninfo: str) -> list[str]:
    """Those of the sample users that are there, with the password that everybody knows."""
    there = asyncio.run(with_known_password(conninfo, SHOWN))
    return [login for login in SHOWN if login in there]


def sign_in(logins: Collection[str]) -> str:
    """The line for a person; marked up for the console."""
    if not logins:
        return "There are no sample users in this database: `postavka user add` makes those who may sign in"
    named: Sequence[str] = [f"{login} ({SHOWN[login]})" if SHOWN[login] else login for login in logins]
    return f"Sign in as {', '.join(named)}; the password of these sample users is [bold]{PASSWORD}[/]"


def unfinished(conninfo: str) -> str | None:
    """The advice about an upgrade that is not finished; None when it is."""
    if read_finished(conninfo) >= CONTRACT:
        return None
    return (
        "This installation can still go back to the release before: its events are written so. When nobody will: "
        "`postavka migrate --finish`"
    )
