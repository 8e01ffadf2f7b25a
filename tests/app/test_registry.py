"""The one list of services, sites, read models and commands: what it names is there."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from postavka.app.registry import COMMANDS, SERVICES, MissingEntry, load, read_models, sites
from postavka.kernel.projection.read_model import find
from postavka.web.site import Site

ADDRESSES = [address for address, _ in COMMANDS.values()]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_command_is_where_the_registry_says(address: str) -> None:
    assert callable(load(address))


def test_every_service_can_be_started_and_every_site_plugged_in() -> None:
    assert all(find_spec(f"{each.module}.__main__") for each in SERVICES.values())
    assert all(isinstance(each, Site) for each in sites())
    assert sites()[0].package == "postavka.web", "templates of the shell come first"


def test_every_read_model_can_be_built_anew() -> None:
    assert [find(address).schema for address, _ in read_models().values()] == list(read_models())


def test_former_names_of_modules_go_on_working() -> None:
    assert find_spec("services.papers.__main__")
    assert find_spec("services.cabinet.web.__main__")


@pytest.mark.parametrize("address", ["services.nowhere:SITE", "services.ops.site:NOTHING"])
def test_an_entry_that_is_not_there_is_told_by_its_name(address: str) -> None:
    with pytest.raises(MissingEntry, match=address):
        load(address)
