"""All schemas of an installation, brought up to date in one go."""

from __future__ import annotations

from postavka.app.registry import SCHEMAS
from postavka.kernel.address import load
from postavka.kernel.installation import contract
from postavka.kernel.store.migration import MigrationSet, migrate


def migration_sets() -> dict[str, tuple[MigrationSet, ...]]:
    """Schema → what makes it, in the order in which they are made."""
    return {schema: tuple(map(load, addresses)) for schema, addresses in SCHEMAS.items()}


def migrate_all(conninfo: str, *, finish: bool = False, lock_seconds: float | None = None) -> dict[str, list[str]]:
    """Bring every schema up to date; returns the files that ran, by schema. `finish`: there is no way back to the
    release before from then on. Raises `InTheWay`, `ChangedMigration`."""
    contract.begin(conninfo)
    ran = {
        schema: migrate(conninfo, schema, *sets, finish=finish, lock_seconds=lock_seconds)
        for schema, sets in migration_sets().items()
    }
    if finish:
        contract.finish(conninfo)
    return {schema: files for schema, files in ran.items() if files}
