"""PostgreSQL ends a connection that somebody keeps: nobody but that connection may suffer."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import OperationalError

from postavka.kernel.privacy.vault import Vault
from postavka.kernel.stage.runner import StageRunner
from postavka.kernel.store.recorder import EventRecorder
from tests.kernel.toys import command, submit, toy, toy_inputs

MASTER = bytes(range(32))


def end_connections(url: str, application: str) -> int:
    """As PostgreSQL does when it is stopped or killed; returns how many there were."""
    with psycopg.connect(url, autocommit=True) as admin:
        ended = admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = %s AND datname = current_database()",
            (application,),
        )
        return len(ended.fetchall())


@pytest.fixture(scope="session")
def vault(store: str) -> Vault:
    return Vault(store, MASTER)


def test_the_vault_opens_a_new_one(vault: Vault, store: str):
    first = vault.encrypt("Анна", ["anna@lukomor.example"])
    assert end_connections(store, "keys of postavka") == 1
    assert vault.encrypt("Пётр", ["petr@lukomor.example"])
    assert end_connections(store, "keys of postavka") == 1
    vault._forget()
    assert vault.reveal(first) == "Анна"


class AsksTheVault:
    """Facts that need the vault, as approval's do: for each message when it is decided."""

    vault: Vault

    def of(self, incoming: object, state: object) -> object:
        return self.vault.encrypt("Анна", [f"{uuid4()}@lukomor.example"])

    def decided(self, incoming: object, events: object) -> None: ...


def test_a_lost_connection_is_no_defect_of_a_decider(recorder: EventRecorder, vault: Vault, store: str):
    """A request that was submitted while its facts could not be had would be among the dead letters: never approved."""
    facts = AsksTheVault()
    facts.vault = vault
    runner = StageRunner(toy(gather=lambda *_: facts), recorder, toy_inputs(), 100)
    assert runner.handle([command(0, submit(uuid4()))]).handled == 1
    assert end_connections(store, "keys of postavka") == 1
    outcome = runner.handle([command(1, submit(uuid4()))])
    assert (outcome.dead_letters, outcome.handled) == ([], 1)


@pytest.mark.parametrize("error", [psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.AdminShutdown])
def test_while_postgresql_is_away_nothing_is_put_aside(recorder: EventRecorder, error: type[Exception]):
    """The batch is the caller's to try again (`StageService`); nothing was written."""

    class Away(AsksTheVault):
        def of(self, incoming: object, state: object) -> object:
            raise error("terminating connection due to unexpected postmaster exit")

    runner = StageRunner(toy(gather=lambda *_: Away()), recorder, toy_inputs(), 100)
    with pytest.raises(OperationalError):
        runner.handle([command(0, submit(uuid4()))])
    assert recorder.dead_letters() == []
    assert recorder.marks(["toy.commands/0"])["toy.commands/0"].offset == -1
    fine = StageRunner(toy(), recorder, toy_inputs(), 100)
    assert fine.handle([command(0, submit(uuid4()))]).handled == 1
