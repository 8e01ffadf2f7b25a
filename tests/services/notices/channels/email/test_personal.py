"""A person who was forgotten is forgotten in letters too: in tables, and in the file of letters."""

from __future__ import annotations

import asyncio
import mailbox
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from postavka.app.one_box.launcher import SAMPLE
from postavka.domain.reference.file import read_file
from postavka.domain.reference.forget import forget_contact
from postavka.domain.reference.store import CURRENT_FOR_SECONDS, current, load
from postavka.kernel.privacy.vault import ERASED, Vault, open_vault
from postavka.kernel.settings import database_url
from services.notices.categories import Category
from services.notices.channels.email.mail_log import MailFilter, email, emails, preferences, switch
from services.notices.channels.email.personal import COLUMNS, forget_in_mbox, protect_older
from services.notices.channels.email.sender import EmailSender
from services.notices.channels.email.transport import MBOX_BYTES, mbox_files, mbox_of
from services.notices.projection import Notices
from services.notices.settings import NoticesSettings
from tests.kernel.polling import PATIENCE_SECONDS
from tests.services.notices.channels.email.test_sender import send_until
from tests.services.notices.conftest import Log, Outbox, Post
from tests.services.notices.stories import CONTACT, THROUGH

READER = "vetrova@lukomor.example"
COLLEAGUE = "orders@dist-north.example"
MARKS = (READER, READER.upper(), "vetrova%40lukomor", CONTACT.name)


def tables(outbox: Outbox) -> str:
    """All rows of all tables of all schemas, as texts."""
    names = outbox.connection.execute(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    ).fetchall()
    return "\n".join(
        str(row["row"])
        for each in names
        for row in outbox.connection.execute(f"SELECT t::text AS row FROM {each['name']} t").fetchall()  # noqa: S608
    )


def found(text: str) -> list[str]:
    return [mark for mark in MARKS if mark in text]


def forget(outbox: Outbox) -> Vault:
    """As `postavka privacy erase` does."""
    vault = open_vault(outbox.settings)
    vault.erase(READER, "dpo", "заявление", everybody=True)
    current(database_url(outbox.settings))
    assert forget_contact(database_url(outbox.settings), READER) > 0
    return vault


@pytest.fixture
def sample(outbox_url: str) -> None:
    """The reference data anew for each test, which takes persons out of them."""
    file = read_file(SAMPLE)
    load(outbox_url, file.model_copy(update={"partners": (), "distributors": ()}), "test")
    load(outbox_url, file, "test")


@pytest.fixture
def written(notices: Notices, outbox: Outbox, log: Log) -> Outbox:
    """Letters of an approval, one to each party."""
    request = uuid4()
    outbox.connection.execute("DELETE FROM stories")
    notices.project([log.event(request, event) for event in THROUGH])
    outbox.connection.execute("DELETE FROM stories")  # the tests' events have the contact person in the clear
    return outbox


def test_letters_are_kept_encrypted_and_read_with_the_key(written: Outbox):
    raw = written.connection.execute("SELECT * FROM mail").fetchall()
    assert all(row[name].startswith("enc:v1:") for row in raw for name in COLUMNS if row[name] is not None)
    (row,) = emails(written.settings, MailFilter(recipient=READER), 10)
    assert (row["recipient"], row["recipient_name"]) == (READER, CONTACT.name)
    assert "Номер разрешения" in email(written.settings, row["id"])["text"]
    assert emails(written.settings, MailFilter(recipient="nobody@lukomor.example"), 10) == []


def test_nothing_in_any_table_names_who_was_forgotten(written: Outbox):
    switch(written.settings, READER, Category.SHIPPED, False, "test")
    assert preferences(written.settings, READER.upper())[Category.SHIPPED] is False
    forget(written)
    assert found(tables(written)) == []
    rows = {row["party"]: row for row in written.rows()}
    assert [rows["partner"][name] for name in ("recipient", "recipient_name", "text")] == [ERASED] * 3
    assert rows["distributor"]["recipient"] == COLLEAGUE, "others are not touched"
    assert emails(written.settings, MailFilter(recipient=READER), 10) == []
    assert preferences(written.settings, READER)[Category.SHIPPED] is True
    time.sleep(CURRENT_FOR_SECONDS)
    contact = current(database_url(written.settings)).partners["lukomor"].contacts["lukomor-1"]
    assert (contact.name, contact.email) == (ERASED, None), "who remembers the reference data reads them anew"


def test_a_contact_of_a_distributor_can_be_forgotten_too(written: Outbox):
    vault = open_vault(written.settings)
    vault.erase("dist-north/north-1", "dpo", "заявление")
    assert forget_contact(database_url(written.settings), "dist-north/north-1") > 0
    assert COLLEAGUE not in tables(written)


async def test_a_letter_to_who_was_forgotten_is_not_sent(written: Outbox, plain: NoticesSettings, post: Post):
    await asyncio.to_thread(forget, written)
    await send_until(written, plain, lambda: sorted(written.statuses()) == ["no-address", "sent"])
    assert post.recipients == [COLLEAGUE]


async def test_what_a_server_says_of_a_person_is_kept_encrypted_and_stays_out_of_the_log(
    written: Outbox, plain: NoticesSettings, post: Post, capsys: pytest.CaptureFixture[str]
):
    post.on_recipient = [f"550 <{READER}> unknown"] * 2
    await send_until(written, plain, lambda: written.statuses() == ["failed", "failed"])
    assert {row["said"] for row in written.rows()} == {f"550 <{READER}> unknown"}
    assert found(capsys.readouterr().out) == []
    written.connection.execute("DELETE FROM mail WHERE party = 'distributor'")  # the stub names the reader to it, too
    await asyncio.to_thread(forget, written)
    assert found(tables(written)) == []


@pytest.mark.parametrize("full_at", [1, MBOX_BYTES], ids=["of two files", "of one"])
async def test_the_file_of_letters_forgets_within_seconds(
    written: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: int
):
    monkeypatch.setattr("services.notices.channels.email.sender.MEASURE_SECONDS", 0.1)
    monkeypatch.setattr("services.notices.channels.email.transport.MBOX_BYTES", full_at)
    file = mbox_of(tmp_path)

    def written_there() -> str:
        return "".join(each.read_text() for each in mbox_files(file) if each.exists())

    sending = asyncio.create_task(EmailSender(written.settings, NoticesSettings()).run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while written.statuses() != ["sent", "sent"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert READER in written_there()
            await asyncio.to_thread(forget, written)
            while found(written_there()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    (left,) = [letter for each in mbox_files(file) if each.exists() for letter in mailbox.mbox(each, create=False)]
    assert COLLEAGUE in str(left["To"])
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_that_is_not_there_is_no_trouble(written: Outbox, tmp_path: Path):
    assert forget_in_mbox(open_vault(written.settings), database_url(written.settings), tmp_path / "none.mbox") == 0


def older(outbox: Outbox, **changes: Any) -> None:
    """A letter as releases before this one have kept it: in the clear."""
    outbox.put()
    row = {
        "recipient": READER,
        "recipient_name": CONTACT.name,
        "said": f"250 {READER}",
        "off": f"https://x/?to={READER}",
    }
    row |= {"text": f"Кому: {READER}"} | changes
    for name, value in row.items():
        outbox.connection.execute(f"UPDATE mail SET {name} = %s", (value,))  # noqa: S608
    outbox.connection.execute(
        "INSERT INTO preferences (recipient, kind, changed_by) VALUES (%s, 'shipped', 'x')",
        (row["recipient"] or "x@y.z",),
    )


def test_what_an_older_release_has_kept_in_the_clear_is_encrypted_at_the_start(outbox: Outbox, sample: None):
    older(outbox)
    vault = open_vault(outbox.settings)
    assert protect_older(vault, database_url(outbox.settings)) == 2
    assert found("\n".join(map(str, outbox.connection.execute("SELECT * FROM mail, preferences").fetchall()))) == []
    (row,) = outbox.rows()
    assert (row["recipient"], row["said"], row["status"]) == (READER, f"250 {READER}", "due")
    assert preferences(outbox.settings, READER)[Category.SHIPPED] is False
    assert protect_older(vault, database_url(outbox.settings)) == 0
    forget(outbox)
    assert found(tables(outbox)) == []


@pytest.mark.parametrize("address", ["gone@lukomor.example", "иванов@mail.ru", None])
def test_an_older_letter_to_who_was_forgotten_before_is_blanked(outbox: Outbox, sample: None, address: str | None):
    older(outbox, recipient=address, recipient_name="Забытая Анна")
    protect_older(open_vault(outbox.settings), database_url(outbox.settings))
    (row,) = outbox.connection.execute("SELECT * FROM mail").fetchall()
    assert {row[name] for name in COLUMNS} == {ERASED, None}
    assert row["status"] == "no-address"
    assert "Забытая" not in tables(outbox)


def test_an_older_letter_to_nobody_stays_as_it_is(outbox: Outbox, sample: None):
    older(outbox, recipient=None, recipient_name="lukomor", status="no-address", said=None, off=None)
    protect_older(open_vault(outbox.settings), database_url(outbox.settings))
    assert outbox.rows()[0]["text"] == f"Кому: {READER}"
