"""Who may sign in and as what: users, sessions, known devices, tokens of programs. PostgreSQL schema `accounts`.

Everything here takes an `AsyncConnection`; which one, and when, is the web application's and the command line's matter.
"""

from postavka.kernel.store.migration import MigrationSet

MIGRATIONS = MigrationSet("services.accounts", "postavka.web.identity")
