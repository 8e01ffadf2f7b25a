"""`postavka reference`: load partners, distributors, products and the rest from a file."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from events.topics import topic_names
from postavka.domain.reference.file import read_file
from postavka.domain.reference.store import distributor_ids
from postavka.domain.reference.store import load as load_reference
from postavka.kernel.cli_options import Json
from postavka.kernel.console import console, print_json
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url

reference = App(name="reference", help="Reference data: partners, distributors, products, contracts.")


@reference.command
def load(file: Path, *, by: str = "cli", json: Json = False) -> None:
    """Load a reference file (TOML) as a new version; old versions stay. A new distributor gets its topic.

    Parameters
    ----------
    file
        See deploy/reference/sample.toml for the form.
    by
        Who loads it, for the record.
    """
    config = connected()
    report = load_reference(database_url(config), read_file(file), by)
    made = ensure_topics(config, topic_names(distributor_ids(database_url(config))))
    if json:
        print_json({"version": report.version, "topics": made})
    else:
        console.print(
            f"reference data, version {report.version}" + (f"; topics made: {', '.join(made)}" if made else "")
        )
