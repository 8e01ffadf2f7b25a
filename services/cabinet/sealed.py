"""What was typed into the form of a request as it is kept before it is sent: personal data lies there as on the log,
under a person's key, and is gone when that person is erased."""

from __future__ import annotations

from dataclasses import asdict

from events.personal import is_encrypted
from postavka.kernel.privacy.vault import ERASED, UNREADABLE, open_vault
from postavka.web.state import Web
from services.cabinet.view.form import Typed

PERSONAL = ("client_email", "client_phone")
"""The first that is filled in names the person, as in `SubmitRequest`."""


def sealed(parts: Web, typed: Typed) -> dict[str, str]:
    """The fields that are filled in. Asks PostgreSQL for the key of a person, and blocks."""
    fields = asdict(typed)
    names = [fields[name] for name in PERSONAL if fields[name] and not is_encrypted(fields[name])]
    vault = open_vault(parts.kernel) if names else None
    hidden = {
        name: vault.encrypt(fields[name], names, None)
        for name in PERSONAL
        if vault is not None and fields[name] in names
    }
    return {name: value for name, value in {**fields, **hidden}.items() if value}


def is_erased(typed: Typed) -> bool:
    """Has the person of this been erased meanwhile? Then nothing of it can be sent."""
    return any(getattr(typed, name) in (ERASED, UNREADABLE) for name in PERSONAL)
