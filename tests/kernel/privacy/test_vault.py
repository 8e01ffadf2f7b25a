"""Persons' keys: what is encrypted, who can read it, and that nobody can once the key is destroyed."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import orjson
import psycopg
import pytest

from events.approval import Approved
from events.commands import SubmitRequest
from events.personal import LONGEST, is_encrypted, personal_fields
from events.reference import Contact
from events.registry import MESSAGES, decode, encode
from events.request import RequestSubmitted
from postavka.domain.reference.file import read_file
from postavka.domain.reference.forget import forget_contact
from postavka.domain.reference.store import current, load
from postavka.kernel.errors import UserError
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.privacy import vault as vaults
from postavka.kernel.privacy.master import master_key
from postavka.kernel.privacy.plain import find_plain
from postavka.kernel.privacy.protect import protected
from postavka.kernel.privacy.vault import (
    ERASED,
    UNREADABLE,
    NobodyKnown,
    NotOnePerson,
    TooLong,
    Vault,
    normal,
    open_vault,
)
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import PARTITIONS, Settings
from services.approval import stage as approval
from services.approval.stage import contacts_as_recorded
from services.privacy.erasing import destroy_again, erased_on_topic, tell
from tests.paths import PROJECT

ANNA = Contact(id="lukomor-1", name="Анна Петрова", email="Anna@Lukomor.example", phone="+7 495 000-00-01")
MASTER = bytes(range(32))
SAMPLE = PROJECT / "deploy" / "reference" / "sample.toml"


@pytest.fixture(scope="module")
def url(own_database: str) -> str:
    """A database of these tests' own."""
    return own_database


@pytest.fixture
def vault(url: str) -> Iterator[Vault]:
    found = Vault(url, MASTER)
    yield found
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE keys.persons, keys.names")


def a_command(**fields: str) -> SubmitRequest:
    return SubmitRequest(request_id=uuid4(), partner_id="lukomor", submitted_by="u-1", **fields)


def test_personal_fields_are_marked_where_they_are_written():
    marked = {name for name, model in MESSAGES.items() if personal_fields(model)}
    assert marked == {SubmitRequest.TYPE, RequestSubmitted.TYPE}
    assert {name for name, _ in personal_fields(Contact)} == {"name", "email", "phone"}
    assert Approved.model_fields["contact"].annotation is Contact


def test_what_is_encrypted_can_be_read_and_looks_like_a_text(vault: Vault):
    command = a_command(client_email="ivan@romashka.example", client_phone="8 (495) 000-00-02", comment="срочно")
    kept = vault.protect(command)
    body = encode(kept)
    assert b"ivan" not in body
    assert b"000-00-02" not in body
    assert decode(SubmitRequest.TYPE, body) == kept
    assert kept.comment == "срочно"
    assert vault.reveal(orjson.loads(body)) == orjson.loads(encode(command))
    assert Vault(vault._conninfo, MASTER).reveal(kept.client_email) == "ivan@romashka.example"
    assert vault.protect(kept) == kept
    assert vault.readable(kept) == command


def test_the_same_command_again_is_the_same_command(vault: Vault):
    """The stage compares contents: a random nonce would make a repetition another request."""
    command = a_command(client_email="ivan@romashka.example")
    assert vault.protect(command) == vault.protect(command)
    assert Vault(vault._conninfo, MASTER).protect(command) == vault.protect(command)


def test_each_person_has_one_key_and_is_found_by_every_name(vault: Vault):
    contact = vault.protect(ANNA, "lukomor/lukomor-1")
    request = vault.protect(a_command(client_email="anna@lukomor.example ", client_phone="+7 495 000 00 09"))
    assert contact.id == "lukomor-1"
    assert key_of(contact.name) == key_of(contact.email) == key_of(contact.phone) == key_of(request.client_email)
    for name in ("ANNA@lukomor.example", "8 495 000-00-01", "+74950000009", " lukomor/Lukomor-1"):
        assert vault.find(name) == [key_of(contact.name)]
    assert key_of(vault.protect(a_command(client_email="boris@lukomor.example")).client_email) != key_of(contact.name)
    assert vault.find("nobody@nowhere.example") == []


def key_of(text: str | None) -> str:
    assert text is not None
    assert is_encrypted(text)
    return text.split(":")[2]


def test_an_erased_person_cannot_be_read_any_more_by_anybody(vault: Vault):
    other = Vault(vault._conninfo, MASTER)
    kept = vault.protect(ANNA, "lukomor/lukomor-1")
    boris = vault.protect(ANNA.model_copy(update={"id": "b", "email": "boris@lukomor.example", "phone": None}))
    assert other.reveal([kept.name]) == ["Анна Петрова"]
    erased = vault.erase("anna@lukomor.example", "dpo-1", "по заявлению")
    assert [(each.key_id, each.erased_by, each.reason) for each in erased] == [
        (key_of(kept.name), "dpo-1", "по заявлению")
    ]
    assert vault.reveal(kept.model_dump()) == {"id": "lukomor-1", "name": ERASED, "email": ERASED, "phone": ERASED}
    other._keys.clear()  # what it has seen it remembers for seconds
    assert other.reveal([kept.name]) == [ERASED]
    assert vault.reveal(boris.name) == "Анна Петрова"
    for name in ("anna@lukomor.example", "+7 495 000-00-01", "lukomor/lukomor-1"):
        with pytest.raises(NobodyKnown):
            vault.erase(name, "dpo-1", "again")
    assert key_of(vault.protect(ANNA).name) != key_of(kept.name)  # who comes again begins anew


def test_nothing_of_a_destroyed_key_is_left_in_the_table(vault: Vault):
    vault.protect(ANNA)
    with psycopg.connect(vault._conninfo) as connection:
        wrapped = connection.execute("SELECT wrapped FROM keys.persons").fetchone()[0]
        path = connection.execute(
            "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('keys.persons')"
        ).fetchone()[0]
        connection.execute("CHECKPOINT")
    if not Path(path).exists():
        pytest.skip("PostgreSQL of this run keeps its files on another machine")
    assert bytes(wrapped) in Path(path).read_bytes()
    vault.erase("anna@lukomor.example", "dpo-1", "test")
    with psycopg.connect(vault._conninfo, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        assert connection.execute("SELECT wrapped, told FROM keys.persons").fetchall() == [(None, False)]
        assert connection.execute("SELECT count(*) FROM keys.names").fetchone() == (0,)


def test_a_shared_telephone_erases_nobody_by_accident(vault: Vault):
    for number in range(2):
        vault.protect(a_command(client_email=f"{number}@firm.example", client_phone="+7 495 111-11-11"))
    with pytest.raises(NotOnePerson, match="2 persons"):
        vault.erase("+7 495 111-11-11", "dpo-1", "test")
    assert len(vault.erase("+7 495 111-11-11", "dpo-1", "test", everybody=True)) == 2


def test_what_was_tampered_with_or_has_no_key_is_not_read(vault: Vault):
    kept = vault.protect(ANNA)
    boris = vault.protect(a_command(client_email="boris@firm.example"))
    assert kept.email is not None
    head, _, body = kept.email.rpartition(":")
    raw = bytearray(base64.b64decode(body))
    raw[3] ^= 1
    for text in (
        f"{head}:{base64.b64encode(raw).decode()}",
        f"enc:v1:{key_of(boris.client_email)}:{body}",  # another person's key
        f"enc:v1:AAAAAAAAAAA:{body}",  # no key of that id: a copy without keys
    ):
        assert vault.reveal([text]) == [UNREADABLE]
    assert vault.reveal(["enc:v1:short:x", "enc:v1:", 7, None]) == ["enc:v1:short:x", "enc:v1:", 7, None]
    with pytest.raises(UserError, match="master key"):
        Vault(vault._conninfo, bytes(32)).reveal(kept.name)


def test_a_text_that_does_not_fit_encrypted_is_refused(vault: Vault):
    with pytest.raises(TooLong):
        vault.protect(a_command(client_email="a" * LONGEST))


def test_many_at_once_make_one_key(vault: Vault):
    found: list[str] = []

    def make() -> None:
        own = Vault(vault._conninfo, MASTER)
        found.append(key_of(own.protect(a_command(client_email="all@firm.example")).client_email))

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 6
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna@Firm.example", " anna@firm.EXAMPLE"),
        ("8 (495) 000-00-01", "+7 495 000 00 01"),
        ("+74950000001", "8-495-000-00-01"),
        ("lukomor-1", "LUKOMOR-1"),
    ],
)
def test_a_name_has_one_form(one: str, other: str):
    assert normal(one) == normal(other)


def test_the_master_key_is_made_once_and_for_its_owner_alone(tmp_path: Path, database: str):
    config = Settings(home=tmp_path, database_url=database)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(master_key(config))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert len(set(found)) == 1
    files = list((tmp_path / "privacy").iterdir())
    assert [(file.name, file.stat().st_mode & 0o777) for file in files] == [("master.key", 0o600)]


# On the log


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def config(servers: Endpoints, url: str, home: Path) -> Settings:
    made = Settings(**servers.settings(database_url=url, home=home))
    ensure_topics(made, ["commands.requests", "request.events", "approval.events", "privacy.erasures"])
    vaults._opened.clear()
    return made


def on(config: Settings, topic: str, subject: str) -> list[bytes]:
    places = dict.fromkeys(((topic, number) for number in range(PARTITIONS)), 0)
    return [
        record.value or b""
        for batch in read_records(config, places)
        for record in batch
        if record.key == subject.encode()
    ]


def test_commands_leave_encrypted_and_an_erasure_is_said(config: Settings, vault: Vault):
    command = a_command(client_email="canary@privacy.example", client_phone="+7 495 777-77-77")
    sender = Sender(config, "/tests")
    sender.send("commands.requests", str(command.request_id), command)
    sender.flush()
    (body,) = on(config, "commands.requests", str(command.request_id))
    assert b"canary" not in body
    assert b"777" not in orjson.loads(body)["client_phone"].encode()
    there = open_vault(config)
    assert there.reveal(orjson.loads(body))["client_email"] == "canary@privacy.example"
    before = body
    with psycopg.connect(there._conninfo) as connection:
        kept = connection.execute("SELECT key_id, wrapped FROM keys.persons WHERE wrapped IS NOT NULL").fetchall()
    there.erase("canary@privacy.example", "dpo-1", "по заявлению")
    assert [each.reason for each in tell(config, there)] == ["по заявлению"]
    assert tell(config, there) == []
    assert on(config, "commands.requests", str(command.request_id)) == [before]  # the log is as it was
    (key_id,) = [each for each in (key for key, _ in kept) if each in erased_on_topic(config)]
    # Keys from an older copy: what was erased since is erased again.
    with psycopg.connect(there._conninfo) as connection:
        connection.execute(
            "UPDATE keys.persons SET wrapped = %s, erased_at = NULL WHERE key_id = %s", (dict(kept)[key_id], key_id)
        )
    assert there.reveal(orjson.loads(body))["client_email"] == "canary@privacy.example"
    assert destroy_again(config, there) == 1
    assert there.reveal(orjson.loads(body))["client_email"] == ERASED


def test_personal_data_in_the_clear_is_found(config: Settings, vault: Vault):
    command = a_command(client_email="plain@privacy.example")
    sender = Sender(config, "/tests")
    sender.send_raw(
        "commands.requests",
        str(command.request_id).encode(),
        encode(command),
        [
            ("ce_specversion", b"1.0"),
            ("ce_type", SubmitRequest.TYPE.encode()),
            ("ce_source", b"/outside"),
        ],
    )
    sender.flush()
    found = [each for each in find_plain(config) if each.source == "/outside"]
    assert [(each.type, each.fields) for each in found] == [(SubmitRequest.TYPE, ("client_email",))]


def test_a_message_without_personal_data_needs_no_keys():
    command = a_command(comment="без личных данных")
    assert protected(Settings(), command) is command


# Contact persons come from the reference data


def test_approval_records_contacts_encrypted(config: Settings, vault: Vault, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.approval.stage.settings", lambda: config)
    (recorded,) = contacts_as_recorded("lukomor", {"lukomor-1": ANNA}).values()
    assert is_encrypted(recorded.name)
    assert open_vault(config).reveal(recorded.model_dump()) == ANNA.model_dump()
    assert open_vault(config).find("lukomor/lukomor-1") == [key_of(recorded.name)]


def test_the_same_contact_is_encrypted_once_for_a_version_of_the_reference_data_and_a_minute(
    url: str, config: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(approval, "settings", lambda: config)
    encrypted: list[str] = []

    def encrypt(partner_id: str, contacts: Mapping[str, Contact]) -> dict[str, Contact]:
        encrypted.extend(contacts)
        return contacts_as_recorded(partner_id, contacts)

    monkeypatch.setattr(approval, "contacts_as_recorded", encrypt)
    load(url, read_file(SAMPLE), "test")
    known = current(url)
    recorded = approval.RecordedContacts()
    first = recorded.of(known, "lukomor", {"lukomor-1": ANNA})
    assert is_encrypted(first["lukomor-1"].name)
    assert recorded.of(known, "lukomor", {"lukomor-1": ANNA}) == first
    assert encrypted == ["lukomor-1"]
    recorded.of(known, "other", {"lukomor-1": ANNA})  # of another partner it is another person
    recorded.of(replace(known), "lukomor", {"lukomor-1": ANNA})
    assert len(encrypted) == 3
    monkeypatch.setattr(approval, "RECORDED_SECONDS", -1.0)  # over at once
    recorded = approval.RecordedContacts()
    for _ in range(2):
        recorded.of(known, "lukomor", {"lukomor-1": ANNA})
    assert len(encrypted) == 5
    assert recorded.of(known, "lukomor", {}) == {}


def test_a_contact_is_taken_out_of_every_version_of_the_reference_data(url: str, config: Settings):
    load(url, read_file(SAMPLE), "test")
    known = current(url)
    contact = next(each for each in known.partners["lukomor"].contacts.values() if each.email)
    assert contact.email is not None
    assert forget_contact(url, contact.email.upper()) >= 1
    assert forget_contact(url, contact.email) == 0
    with psycopg.connect(url) as connection:
        text = str(connection.execute("SELECT jsonb_agg(body) FROM reference.entries").fetchone())
    assert contact.email not in text
    assert contact.name not in text


def test_a_connection_that_postgresql_has_ended_is_replaced_unseen(vault: Vault, url: str):
    vault.protect(a_command(client_email="first@romashka.example"))
    with psycopg.connect(url, autocommit=True) as admin:
        ended = admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'keys of postavka' AND datname = current_database()"
        ).fetchall()
    assert ended
    command = a_command(client_email="second@romashka.example")
    assert vault.reveal(orjson.loads(encode(vault.protect(command)))) == orjson.loads(encode(command))
