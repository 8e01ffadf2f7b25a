"""The changes of one registration or one contract at a time, as the vendor's user base reports them; a new version
each."""

from __future__ import annotations

import hashlib

import psycopg

from events.reference import Contract
from postavka.domain.reference.store import MIGRATIONS, SCHEMA
from postavka.kernel.store.migration import require
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.domain.reference")


def record_contract(conninfo: str, registration: str, contract: Contract | None, recorded_by: str) -> int:
    """Add a registration number, with a contract or without; returns the version that has it (L19)."""
    require(conninfo, SCHEMA, MIGRATIONS)
    with psycopg.connect(conninfo, application_name="postavka-reference") as connection:
        connection.execute(QUERIES.use_schema)
        connection.execute(QUERIES.lock_versions)
        row = connection.execute(QUERIES.newest_to_follow).fetchone()
        version, before = row or (0, "")
        change = f"{before}|{registration}|{contract.model_dump_json() if contract else ''}"
        version += 1
        connection.execute(QUERIES.add_version, (version, recorded_by, hashlib.sha256(change.encode()).hexdigest()))
        connection.execute(QUERIES.add_registration, (registration, version))
        if contract is not None:
            connection.execute(
                QUERIES.add_contract,
                (registration, contract.number, version, contract.valid_from, contract.valid_until),
            )
    return int(version)
