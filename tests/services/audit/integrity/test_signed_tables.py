"""Rows of who looked and dead letters that somebody deletes, changes or puts in, past the trigger: each is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from psycopg.sql import SQL, Identifier

from postavka.kernel.store.migration import migrate
from services.audit.findings import Finding, Findings
from services.audit.integrity.signed_tables import SignedTable, access_log, dead_letters, hashed_rows, settled
from services.audit.integrity.signer import Signer
from services.audit.integrity.store import MIGRATIONS, connect
from services.audit.verification.signed_rows import check_tables
from services.audit.verifier import leaf_data, leaf_hash, main
from tests.services.audit.conftest import Log

LOOK = """INSERT INTO looked (at, actor, role, request_id, what, address)
SELECT clock_timestamp() + n * interval '1 ms', 'anna', 'ops', %s, '/', '::1' FROM generate_series(1, %s::int) AS n"""
LETTER = """INSERT INTO dead_letters
    (topic, partition, "offset", timestamp_ms, key, value, headers, code, reason, sha256)
SELECT 'commands.requests', 0, n, 0, 'k', 'body', '[["ce_type", "YQ=="], ["dlq_corrects", "YQ=="]]', 'bad-body', 'x',
    encode(sha256('body'), 'hex') FROM generate_series(%s::int, %s::int) AS n"""
REQUEST = UUID(int=7)


@dataclass
class Tables:
    """Who looked and dead letters of an installation of their own, with the service that signs them."""

    log: Log
    looked: SignedTable
    letters: SignedTable
    rows: int = field(default=0, init=False)

    @property
    def tables(self) -> Sequence[SignedTable]:
        return self.looked, self.letters

    def look(self, count: int) -> None:
        """So many rows of who looked."""
        self.tamper(LOOK, REQUEST, count)

    def refuse(self, first: int, last: int) -> None:
        """Dead letters of these offsets."""
        self.tamper(LETTER, first, last)

    def tamper(self, statement: str, *parameters: object) -> None:
        """As the owner of the database, past its triggers."""
        self.log.tamper(statement, *parameters)

    def sign(self) -> None:
        """The service starts, signs and ends."""
        signer = Signer(self.log.config, self.log.audit, [self.log.name], self.tables)
        assert signer.try_to_start()
        signer.sign()
        self.broken = [each.broken for each in signer.logs.values() if each.broken]
        signer.close()

    def check(self) -> Findings:
        """What verify finds of them; `rows` are those that are signed and there."""
        findings = Findings()
        self.rows = check_tables(self.log.config, findings, self.log.audit, self.tables)
        return findings

    def problems(self) -> list[Finding]:
        return self.check().problems

    def words(self) -> list[str]:
        return [each.words.removeprefix("row ") for each in self.problems()]


@pytest.fixture
def tables(log: Log) -> Tables:
    assert log.config.database_url is not None
    migrate(log.config.database_url.get_secret_value(), log.stage, MIGRATIONS)
    return Tables(log, access_log(log.stage), dead_letters(log.stage))


@pytest.fixture
def signed(tables: Tables) -> Tables:
    """Ten rows of each, signed in two parts."""
    tables.sign()
    tables.look(6)
    tables.refuse(1, 6)
    tables.sign()
    tables.look(4)
    tables.refuse(7, 10)
    tables.sign()
    findings = tables.check()
    assert (findings.problems, findings.notes, tables.rows) == ([], [], 20)
    return tables


def test_deleted_rows_are_named(signed: Tables):
    signed.tamper("DELETE FROM looked WHERE id IN (3, 4, 5, 10)")
    signed.tamper("DELETE FROM dead_letters WHERE id = 6")
    looked, letters = signed.looked.log, signed.letters.log
    assert [(each.code, each.place, each.words) for each in signed.problems()] == [
        ("row-deleted", f"{looked}/3", f"rows 3 to 5 of {looked} were deleted (signed as entry 3 to 5)"),
        ("row-deleted", f"{looked}/10", f"row 10 of {looked} was deleted (signed as entry 10)"),
        ("row-deleted", f"{letters}/6", f"row 6 of {letters} was deleted (signed as entry 6)"),
    ]
    before = signed.words()
    signed.look(3)  # what comes later does not change the words, so that an acknowledgement goes on holding
    signed.sign()
    assert signed.words() == before
    assert signed.rows == 18


def test_all_rows_deleted_with_the_table(signed: Tables):
    signed.tamper("DROP TABLE looked")
    assert [each.words for each in signed.problems()] == [
        f"rows 1 to 10 of {signed.looked.log} were deleted (signed as entry 1 to 10)"
    ]


LOOK_CHANGES = (
    "actor = 'else'",
    "at = at + interval '1 microsecond'",
    "organisation = ''",
    "what = '/x'",
    "address = ''",
)


def test_changed_rows_are_named_whatever_was_changed(signed: Tables):
    for number, change in enumerate(LOOK_CHANGES, 1):
        signed.tamper(f"UPDATE looked SET {change} WHERE id = %s", 2 * number)  # noqa: S608
    found = [(each.code, each.place) for each in signed.problems()]
    assert found == [("row-changed", f"{signed.looked.log}/{2 * number}") for number, _ in enumerate(LOOK_CHANGES, 1)]


def test_a_row_that_is_put_in_between_is_named(signed: Tables):
    signed.tamper("DELETE FROM looked WHERE id = 4")
    signed.tamper("ALTER TABLE looked ALTER id DROP IDENTITY")
    signed.tamper("UPDATE looked SET id = 4 WHERE id = 5")
    codes = {(each.code, each.place) for each in signed.problems()}
    assert codes == {("row-changed", f"{signed.looked.log}/4"), ("row-deleted", f"{signed.looked.log}/5")}


LETTER_CHANGES = (
    "value = 'other', sha256 = encode(sha256('other'), 'hex')",
    "key = NULL",
    "headers = '[]'",
    '"offset" = 99',
    "value = 'other'",
)


def test_of_a_dead_letter_only_what_becomes_of_it_may_change(signed: Tables):
    signed.tamper("UPDATE dead_letters SET status = 'discarded', relayed = true WHERE id < 5")
    signed.tamper("UPDATE dead_letters SET tries = tries + 1, code = 'other', reason = 'another' WHERE id > 3")
    signed.tamper("""UPDATE dead_letters SET headers = headers || '[["dlq_corrected_by", null]]' WHERE id = 5""")
    assert signed.problems() == []
    for number, change in enumerate(LETTER_CHANGES, 1):
        signed.tamper(f"UPDATE dead_letters SET {change} WHERE id = %s", 2 * number)  # noqa: S608
    found = [(each.code, each.place) for each in signed.problems()]
    assert found == [
        ("row-changed", f"{signed.letters.log}/{2 * number}") for number, _ in enumerate(LETTER_CHANGES, 1)
    ]


def test_rows_from_before_are_taken_up_once_and_that_is_said(tables: Tables):
    tables.look(5)
    tables.sign()
    for _ in range(2):
        notes = tables.check().notes
        assert [(each.code, each.place) for each in notes] == [("taken-up", tables.looked.log)]
        assert "its first 5 rows were there before it was signed" in notes[0].words
        tables.look(1)
        tables.sign()
    tables.tamper("DELETE FROM looked WHERE id = 2")
    assert [each.code for each in tables.problems()] == ["row-deleted"]


def test_the_tree_and_the_evidence_are_told_apart(signed: Tables):
    tiles = "UPDATE tiles SET hashes = overlay(hashes placing '\\x00'::bytea from 70) WHERE log = %s AND level = 0"
    with connect(signed.log.config) as connection:
        connection.execute(tiles, (signed.looked.log,))
    assert [(each.code, each.place) for each in signed.problems()] == [("signed-edited", signed.looked.log)]
    signed.tamper("DELETE FROM looked WHERE id = 7")
    assert {each.code for each in signed.problems()} == {"signed-edited", "row-deleted"}
    leaves = signed.log.audit.evidence_folder(signed.log.config) / f"{signed.looked.log}.leaves"
    leaves.write_bytes(bytes(len(leaves.read_bytes())))
    assert "checkpoint" in {each.code for each in signed.problems()}


def test_a_database_of_an_older_copy_is_gone_on_with(signed: Tables):
    """What was signed and is not in it is named; the tree goes on behind it, also under numbers that were taken."""
    log = signed.looked.log
    signed.tamper("DELETE FROM looked WHERE id > 6")
    with connect(signed.log.config) as connection:
        for statement in (
            "UPDATE tiles SET hashes = substr(hashes, 1, 192) WHERE log = %s",
            "UPDATE logs SET size = 6, last_row = 6 WHERE name = %s",
            "DELETE FROM entries WHERE log = %s AND entry > 6",
            "DELETE FROM checkpoints WHERE log = %s AND size > 6",
        ):
            connection.execute(statement, (log,))
    signed.tamper("ALTER TABLE looked ALTER id RESTART WITH 7")
    signed.look(3)
    signed.sign()
    assert signed.broken == []
    lost = [f"rows 7 to 10 of {log} were deleted (signed as entry 7 to 10)"]
    assert [each.words for each in signed.problems()] == lost
    signed.tamper("DELETE FROM looked WHERE id = 8")
    assert [each.words for each in signed.problems()] == [*lost, f"row 8 of {log} was deleted (signed as entry 12)"]


def test_without_the_evidence_nothing_is_signed_over_what_is_lost(signed: Tables):
    with connect(signed.log.config) as connection:
        connection.execute("DELETE FROM tiles WHERE log = %s", (signed.looked.log,))
        connection.execute("DELETE FROM logs WHERE name = %s", (signed.looked.log,))
    (signed.log.audit.evidence_folder(signed.log.config) / f"{signed.looked.log}.leaves").unlink()
    signed.sign()
    assert signed.broken == [f"{signed.looked.log}: 10 rows were signed, and the evidence folder lacks their hashes"]


def test_a_row_of_a_transaction_that_goes_on_is_waited_for(signed: Tables):
    """Its id is below that of a row which is there already: both enter, in their order."""
    with signed.log.sql() as slow, slow.transaction():
        slow.execute(SQL("SET LOCAL search_path TO {}").format(Identifier(signed.log.stage)))
        slow.execute(LOOK, (REQUEST, 1))
        signed.look(1)
        with connect(signed.log.config) as connection:
            assert settled(connection, signed.looked, 0.1) is None
            assert settled(connection, signed.letters, 0.1) == 10
    with connect(signed.log.config) as connection:
        assert settled(connection, signed.looked) == 12
    signed.sign()
    assert (signed.problems(), signed.rows) == ([], 22)


def test_the_leaf_is_that_of_the_verifier(signed: Tables, capsys: pytest.CaptureFixture[str], tmp_path):
    with connect(signed.log.config) as connection:
        row = connection.execute(
            SQL("SELECT id, (extract(epoch FROM at) * 1000000)::bigint FROM {} WHERE id = 3").format(
                signed.looked.table
            )
        ).fetchone()
        looked = dict(hashed_rows(connection, signed.looked))
        letters = dict(hashed_rows(connection, signed.letters))
    assert row is not None
    said = [("at", str(row[1])), ("actor", "anna"), ("role", "ops"), ("request_id", str(REQUEST)), ("what", "/")]
    pairs: Callable[..., list[tuple[str, bytes]]] = lambda found: [(name, text.encode()) for name, text in found]  # noqa: E731
    assert looked[3] == leaf_hash(leaf_data(b"3", pairs([*said, ("address", "::1")]), b""))
    sha256 = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"
    said = [("key", b"k".hex()), ("headers", '[["ce_type", "YQ=="]]'), ("sha256", sha256)]
    assert letters[3] == leaf_hash(leaf_data(b"commands.requests/0/3", pairs(said), b""))
    audit, config = signed.log.audit, signed.log.config
    keys = audit.key_file(config).with_name(audit.key_file(config).name + ".pub")
    assert main(["evidence", str(audit.evidence_folder(config)), "--keys", str(keys)]) == 0
    assert f"postavka/{signed.looked.log}: 2 checkpoints over 10 rows hold together" in capsys.readouterr().out
