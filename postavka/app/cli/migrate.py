"""`postavka migrate`: what a release needs of the database, before its services are started."""

from __future__ import annotations

from events.versions import CONTRACT
from postavka.app.migrations import migrate_all
from postavka.kernel.console import console, print_json
from postavka.kernel.installation.contract import read_finished
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url, settings

LOCK_SECONDS = 5.0


def migrate(*, finish: bool = False, lock_seconds: float = LOCK_SECONDS, json: bool = False) -> None:
    """Bring all schemas up to date. Services only check, and end with a sentence where this was not run. Those of the
    release before go on working meanwhile and afterwards: they can be started again, too.

    Parameters
    ----------
    finish
        The upgrade is over, all services are of this release: take away what only the release before needed, and let
        the stages write new versions of events from their next start on. There is no way back afterwards.
    lock_seconds
        Give up when another session holds a lock for so long, with nothing changed in that schema.
    json
        Print what ran as JSON.
    """
    url = database_url(settings() if settings().database_url else connected())  # Kafka is not needed
    ran = migrate_all(url, finish=finish, lock_seconds=lock_seconds)
    finished = read_finished(url) >= CONTRACT
    if json:
        print_json({"ran": ran, "finished": finished})
        return
    for schema, files in ran.items():
        console.print(f"{schema}: {', '.join(files)}", highlight=False)
    if not ran:
        console.print("every schema is up to date")
    if finish:
        console.print("The upgrade is finished: start the stages anew, and they write the newest versions of events.")
    elif not finished:
        console.print(
            "Events are written as the release before can read them. When nobody goes back to it any more: "
            "`postavka migrate --finish`"
        )
