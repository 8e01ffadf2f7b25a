"""A machine works with the keys of its installation or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postavka.kernel.key_file import NoKey, make_key
from postavka.kernel.privacy.installation_keys import LETTERS, MASTER, WrongKey, installation_key, registered, replace
from postavka.kernel.privacy.master import PrivacySettings, master_key
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from postavka.kernel.stage.service import StageService
from services.approval.stage import STAGE

KINDS = (MASTER, LETTERS)


def machine(database: str, home: Path, **others: Any) -> Settings:
    """A machine with servers of one's own."""
    return Settings(**{"home": home, "database_url": database, "make_keys": False, **others})


@pytest.mark.parametrize("kind", KINDS)
def test_with_servers_of_ones_own_no_key_is_made(kind: Any, database: str, tmp_path: Path) -> None:
    with pytest.raises(NoKey) as refused:
        installation_key(machine(database, tmp_path), kind, None)
    assert f"`openssl rand -hex 32 > {tmp_path / kind.file}`" in str(refused.value)
    assert kind.variable in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make_keys", [False, True])
def test_an_empty_home_on_another_machine_is_refused(kind: Any, make_keys: bool, database: str, tmp_path: Path) -> None:
    key = installation_key(machine(database, tmp_path / "one", make_keys=True), kind, None)
    with pytest.raises(NoKey, match="copy it here from a machine that has it"):
        installation_key(machine(database, tmp_path / "two", make_keys=make_keys), kind, None)
    assert not (tmp_path / "two").exists()
    assert installation_key(machine(database, tmp_path / "two"), kind, tmp_path / "one" / kind.file) == key


@pytest.mark.parametrize("kind", KINDS)
def test_so_is_another_key(kind: Any, database: str, tmp_path: Path) -> None:
    key = installation_key(machine(database, tmp_path / "one", make_keys=True), kind, None)
    other = tmp_path / "other.key"
    make_key(other)
    with pytest.raises(WrongKey) as refused:
        installation_key(machine(database, tmp_path / "one"), kind, other)
    said = str(refused.value)
    assert registered(machine(database, tmp_path))[kind.name] in said
    assert key.hex() not in said
    assert other.read_text().strip() not in said


def test_a_stage_that_encrypts_does_not_start_without_the_key(
    servers: Endpoints, database: str, tmp_path: Path
) -> None:
    with pytest.raises(NoKey, match="POSTAVKA_PRIVACY_KEY"):
        StageService(STAGE, Settings(**servers.settings(database_url=database, home=tmp_path, make_keys=False)))


def test_an_installation_that_exists_registers_the_key_it_has(database: str, tmp_path: Path) -> None:
    make_key(tmp_path / "old" / MASTER.file)
    config = machine(database, tmp_path / "old")
    assert registered(config) == {}
    key = master_key(config)
    assert list(registered(config)) == [MASTER.name]
    assert master_key(config) == key


def test_a_key_that_is_lost_can_be_given_up(database: str, tmp_path: Path) -> None:
    installation_key(machine(database, tmp_path / "one", make_keys=True), LETTERS, None)
    make_key(tmp_path / "new")
    config = machine(database, tmp_path / "two")
    with pytest.raises(WrongKey) as refused:
        installation_key(config, LETTERS, tmp_path / "new")
    found = str(refused.value).partition("(")[2].partition(")")[0]
    replace(config, LETTERS, found)
    assert installation_key(config, LETTERS, tmp_path / "new").hex() == (tmp_path / "new").read_text().strip()


def test_a_file_that_holds_no_key_is_refused(database: str, tmp_path: Path) -> None:
    config = machine(database, tmp_path)
    with pytest.raises(NoKey, match="openssl rand"):
        master_key(config, PrivacySettings(key=tmp_path / "none"))
    (tmp_path / "short").write_text("abcd")
    with pytest.raises(NoKey, match="64 hexadecimal"):
        master_key(config, PrivacySettings(key=tmp_path / "short"))
    assert registered(config) == {}
