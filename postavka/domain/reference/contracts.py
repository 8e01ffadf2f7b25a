"""One registration or one contract at a time, as the vendor's user base reports them; a new version each."""

from __future__ import annotations

import hashlib

import psycopg

from events.reference import Contract
from postavka.domain.reference.store import MIGRATIONS, SCHEMA
from postavka.kernel.store.migration import migrate


def record_contract(conninfo: str, registration: str, contract: Contract | None, recorded_by: str) -> int:
    """Add a registration number, with a contract or without; returns the version that has it (L19)."""
    migrate(conninfo, SCHEMA, MIGRATIONS)
    with psycopg.connect(conninfo, application_name="postavka-reference") as connection:
        connection.execute("SET LOCAL search_path TO reference, public")
        connection.execute("LOCK TABLE versions IN EXCLUSIVE MODE")
        row = connection.execute("SELECT version, sha256 FROM versions ORDER BY version DESC LIMIT 1").fetchone()
        version, before = row or (0, "")
        change = f"{before}|{registration}|{contract.model_dump_json() if contract else ''}"
        version += 1
        connection.execute(
            "INSERT INTO versions (version, loaded_by, sha256) VALUES (%s, %s, %s)",
            (version, recorded_by, hashlib.sha256(change.encode()).hexdigest()),
        )
        connection.execute("INSERT INTO registrations (number, from_version) VALUES (%s, %s)", (registration, version))
        if contract is not None:
            connection.execute(
                "INSERT INTO contracts (registration, number, from_version, valid_from, valid_until) "
                "VALUES (%s, %s, %s, %s, %s)",
                (registration, contract.number, version, contract.valid_from, contract.valid_until),
            )
    return int(version)
