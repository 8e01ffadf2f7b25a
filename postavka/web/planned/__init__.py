"""Commands that are sent later: the seconds in which a person may undo one, and what a program plans with `not_before`.

One table, `planned.commands`, holds them all. Whatever process of the web application comes first claims one that is
due, judges it by the state of that moment, and sends it under the ids that it was planned with: neither a closed tab
nor a crash nor a second process loses or doubles it.
"""

from postavka.kernel.store.migration import MigrationSet, require
from postavka.web import identity

SCHEMA = "planned"
MIGRATIONS = MigrationSet("postavka.web.planned", "postavka.web.planned")


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date, and that of the accounts: row-level security is defined there. Raises
    `NotMigrated`."""
    require(conninfo, "accounts", identity.MIGRATIONS)
    require(conninfo, SCHEMA, MIGRATIONS)
