"""Letters on their way: a real mail server that takes, refuses, delays and breaks off."""

from __future__ import annotations

import asyncio
import mailbox
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from pydantic import SecretStr

from postavka.domain.wording import MAIL_TROUBLES
from postavka.kernel.settings import environment
from services.notices.channels.email import sender as module
from services.notices.channels.email.mime import Outgoing
from services.notices.channels.email.sender import EmailSender
from services.notices.channels.email.transport import Transport, Trouble, open_transport
from services.notices.settings import NoticesSettings
from tests.kernel.polling import PATIENCE_SECONDS
from tests.services.notices.conftest import Outbox, Post
from tests.services.notices.stories import CONTACT, NUMBER


async def send_until(
    outbox: Outbox,
    config: NoticesSettings,
    holds: Callable[[], bool],
    connect: Callable[[NoticesSettings, Path], Transport] = open_transport,
    gives_way: Callable[[], bool] = lambda: False,
) -> EmailSender:
    """Send until it holds."""
    sender = EmailSender(outbox.settings, config, connect, gives_way)
    sending = asyncio.create_task(sender.run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                assert not sending.done(), sending.exception()
                await asyncio.sleep(0.02)
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    return sender


async def test_a_letter_arrives_as_it_was_written(outbox: Outbox, plain: NoticesSettings, post: Post):
    (message_id,) = outbox.put()
    await send_until(outbox, plain, lambda: outbox.statuses() == ["sent"])
    (email,) = post.taken
    assert post.recipients == ["reader-0@lukomor.example"]
    assert email["Message-ID"] == message_id
    assert email["To"] == f"{CONTACT.name} <reader-0@lukomor.example>"
    assert "Номер разрешения" in email["Subject"]
    assert email["Auto-Submitted"] == "auto-generated"
    text, html = email.get_body(("plain",)), email.get_body(("html",))
    assert text is not None
    assert html is not None
    assert NUMBER in text.get_content()
    assert "https://cabinet.example/requests/" in text.get_content()
    assert "<h1" in html.get_content()
    (row,) = outbox.rows()
    assert (row["tries"], row["unsure"], row["said"]) == (1, False, "250 taken")
    assert row["sent_at"] is not None


async def test_over_tls_with_a_password(outbox: Outbox, secured: NoticesSettings, post: Post):
    outbox.put(2)
    await send_until(outbox, secured, lambda: outbox.statuses() == ["sent", "sent"])
    assert len(post.taken) == 2
    assert len(post.signed_in) == 1, "one connection for both"


async def test_a_server_whose_certificate_is_not_trusted_gets_nothing(
    outbox: Outbox, secured: NoticesSettings, post: Post
):
    outbox.put()
    distrustful = secured.model_copy(update={"smtp_cafile": None})
    sender = await send_until(outbox, distrustful, lambda: "ertificate" in str(outbox.rows()[0]["said"]))
    assert (post.taken, post.signed_in) == ([], [])
    assert sender.trouble == Trouble.NOT_TRUSTED
    assert (outbox.rows()[0]["status"], outbox.rows()[0]["tries"]) == ("due", 0)


async def test_a_wrong_password_is_trouble_with_the_server_not_with_the_letters(
    outbox: Outbox, secured: NoticesSettings, post: Post
):
    outbox.put(3)
    wrong = secured.model_copy(update={"smtp_password": SecretStr("wrong")})
    sender = await send_until(outbox, wrong, lambda: any(row["said"] for row in outbox.rows()))
    assert post.taken == []
    assert {row["tries"] for row in outbox.rows()} == {0}
    assert sender.trouble == Trouble.SIGN_IN


def test_every_trouble_has_its_words_on_pages():
    assert {each.value for each in Trouble} == set(MAIL_TROUBLES)


async def test_who_is_refused_for_good_is_not_tried_again_and_holds_up_nobody(
    outbox: Outbox, plain: NoticesSettings, post: Post
):
    outbox.put(3)
    post.on_recipient = ["550 no such user here"]
    await send_until(outbox, plain, lambda: sorted(outbox.statuses()) == ["failed", "sent", "sent"])
    failed = next(row for row in outbox.rows() if row["status"] == "failed")
    assert failed["said"] == "550 no such user here"
    assert len(post.taken) == 2


async def test_a_text_that_is_refused_for_good_has_failed(outbox: Outbox, plain: NoticesSettings, post: Post):
    outbox.put()
    post.on_data = ["554 looks like spam"]
    await send_until(outbox, plain, lambda: outbox.statuses() == ["failed"])
    assert outbox.rows()[0]["said"] == "554 looks like spam"


async def test_not_now_is_tried_again_later_each_time(outbox: Outbox, plain: NoticesSettings, post: Post):
    outbox.put()
    post.on_recipient = ["451 greylisted", "250"]
    post.on_data = ["452 disk full", "451 still"]
    await send_until(outbox, plain, lambda: outbox.statuses() == ["sent"])
    (row,) = outbox.rows()
    assert (row["tries"], row["unsure"]) == (4, False)
    assert len(post.taken) == 1


async def test_after_so_long_a_letter_has_failed(outbox: Outbox, plain: NoticesSettings, post: Post):
    outbox.put()
    outbox.connection.execute("UPDATE mail SET made_at = now() - interval '6 days'")
    post.on_data = ["451 not now"]
    await send_until(outbox, plain, lambda: outbox.statuses() == ["failed"])
    assert outbox.rows()[0]["said"] == "451 not now"


@pytest.mark.parametrize("breaks", ["drop", "slow"])
async def test_without_an_answer_behind_the_text_it_is_sent_again_under_the_same_id(
    outbox: Outbox, plain: NoticesSettings, post: Post, breaks: str
):
    (message_id,) = outbox.put()
    post.on_data = [breaks]
    await send_until(outbox, plain, lambda: outbox.statuses() == ["sent"])
    assert [each["Message-ID"] for each in post.taken] == [message_id, message_id]
    assert outbox.rows()[0]["unsure"] is True


async def test_a_server_that_is_away_costs_no_letter_a_try(outbox: Outbox, plain: NoticesSettings, post: Post):
    outbox.put(2)
    nobody = plain.model_copy(update={"smtp_port": 1})
    sender = await send_until(outbox, nobody, lambda: any(row["said"] for row in outbox.rows()))
    assert sender.trouble == Trouble.UNREACHABLE, "and nothing of what a library said"
    assert outbox.statuses() == ["due", "due"]
    await send_until(outbox, plain, lambda: outbox.statuses() == ["sent", "sent"])
    assert {row["tries"] for row in outbox.rows()} == {1}


async def test_no_letter_is_sent_while_a_receipt_is_written(
    outbox: Outbox, plain: NoticesSettings, post: Post, monkeypatch: pytest.MonkeyPatch
):
    """A queue of letters; in the midst of it news come in. What is in hand is sent and noted, nothing more, until they
    are written."""
    monkeypatch.setattr(module, "GIVES_WAY_SECONDS", PATIENCE_SECONDS)
    outbox.put(20)
    looks: list[list[str]] = []

    def is_busy() -> bool:
        """From the third letter on, until it was looked five times."""
        if len(post.taken) >= 3 and len(looks) < 5:
            looks.append(outbox.statuses())
            return True
        return False

    await send_until(outbox, plain, lambda: set(outbox.statuses()) == {"sent"}, gives_way=is_busy)
    assert [sorted(each).count("sent") for each in looks[1:]] == [3] * 4
    assert all("sending" not in each for each in looks[1:])
    assert {row["tries"] for row in outbox.rows()} == {1}


async def test_letters_do_not_wait_for_ever(
    outbox: Outbox, plain: NoticesSettings, post: Post, monkeypatch: pytest.MonkeyPatch
):
    """News that can't be written, since a lock is held, say, keep no letter for good."""
    monkeypatch.setattr(module, "GIVES_WAY_SECONDS", 0.02)
    outbox.put(3)
    await send_until(outbox, plain, lambda: set(outbox.statuses()) == {"sent"}, gives_way=lambda: True)


async def test_sessions_that_postgresql_ends_end_nobody(outbox: Outbox, plain: NoticesSettings, post: Post):
    """The process is also that of receipts: letters must not take it with them."""
    outbox.put(2)
    outbox.connection.execute("UPDATE mail SET status = 'off' WHERE recipient LIKE 'reader-1@%'")

    def sends_again() -> bool:
        if outbox.statuses() == ["sent", "off"]:
            outbox.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'postavka-notices'"
            )
            outbox.connection.execute("UPDATE mail SET status = 'due' WHERE status = 'off'")
        return outbox.statuses() == ["sent", "sent"]

    await send_until(outbox, plain, sends_again)


async def test_only_what_is_due_is_sent(outbox: Outbox, plain: NoticesSettings, post: Post):
    outbox.put(4)
    for number, status in enumerate(("off", "no-address", "too-old")):
        outbox.connection.execute(
            "UPDATE mail SET status = %s WHERE recipient = %s", (status, f"reader-{number}@lukomor.example")
        )
    await send_until(outbox, plain, lambda: "sent" in outbox.statuses())
    assert outbox.statuses() == ["off", "no-address", "too-old", "sent"]
    assert len(post.taken) == 1


async def test_a_letter_that_cannot_be_written_has_failed_and_holds_up_nobody(
    outbox: Outbox, plain: NoticesSettings, post: Post
):
    outbox.put(2)
    outbox.connection.execute("UPDATE mail SET recipient = 'no address' WHERE recipient LIKE 'reader-0%'")
    await send_until(outbox, plain, lambda: sorted(outbox.statuses()) == ["failed", "sent"])
    assert "can't be written" in next(row["said"] for row in outbox.rows() if row["status"] == "failed")


def test_a_sender_that_is_no_address_is_said_at_the_start():
    with pytest.raises(ValueError, match="POSTAVKA_MAIL_FROM"):
        NoticesSettings(mail_from="«Софтехно», сервисы <a@b.ru>")


CRASH = """
import asyncio, os, signal, sys
from postavka.kernel.settings import settings
from services.notices.channels.email import sender as module
from services.notices.settings import NoticesSettings

chosen = NoticesSettings(smtp_host="127.0.0.1", smtp_port=int(sys.argv[1]), smtp_security="none", smtp_connections=1)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
step = sys.argv[2]

class Dying(module.EmailSender):
    async def _send(self, transport, row):
        if step == "before":
            die()
        real = transport.send
        async def send(message):
            said = await real(message)
            die()
        transport.send = send
        return await super()._send(transport, row)

asyncio.run(Dying(settings(), chosen).run())
"""


@pytest.mark.parametrize(("step", "times"), [("before", 1), ("after", 2)])
async def test_killed_between_two_steps_nothing_stays_unsent(
    outbox: Outbox, plain: NoticesSettings, post: Post, step: str, times: int
):
    """kill -9 before the letter is handed over, and after it, before that is written down: at most the same Message-ID
    once more."""
    (message_id,) = outbox.put()
    env = {**os.environ, **environment(outbox.settings), "POSTAVKA_HOME": str(outbox.settings.home)}
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", CRASH, str(plain.port), step], env=env, timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert outbox.statuses() == ["sending"]
    await send_until(outbox, plain, lambda: outbox.statuses() == ["sent"])
    assert [each["Message-ID"] for each in post.taken] == [message_id] * times
    assert outbox.rows()[0]["unsure"] is True, "it is said that the letter may have come twice"


class SetBack:
    """Takes a letter while somebody else puts it back: a second sender that thinks the first one is gone."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.taken = 0

    async def send(self, email: Outgoing) -> str:
        self.taken += 1
        if self.taken == 1:
            self.outbox.connection.execute("UPDATE mail SET status = 'due', next_at = '2020-01-01' WHERE true")
        return "250 taken"

    async def close(self) -> None: ...


async def test_what_became_of_a_letter_is_noted_even_if_another_sender_has_put_it_back(
    outbox: Outbox, plain: NoticesSettings
):
    outbox.put()
    server = SetBack(outbox)
    config = plain.model_copy(update={"smtp_connections": 1})
    await send_until(outbox, config, lambda: outbox.statuses() == ["sent"], lambda *_: server)
    assert server.taken == 1
    assert outbox.rows()[0]["tries"] == 1


async def test_without_a_mail_server_letters_go_into_a_file(outbox: Outbox, tmp_path: Path):
    ids = outbox.put(2)
    await send_until(outbox, NoticesSettings(), lambda: outbox.statuses() == ["sent", "sent"])
    file = tmp_path / "mail" / "outbox.mbox"
    box = mailbox.mbox(file, factory=None, create=False)
    assert sorted(each["Message-ID"] for each in box) == sorted(ids)
    assert file.stat().st_mode & 0o077 == 0
    whole = message_from_bytes(box[0].as_bytes(), policy=policy.default)
    text = whole.get_body(("plain",))
    assert text is not None
    assert NUMBER in text.get_content()


async def test_two_senders_send_each_letter_once(outbox: Outbox, plain: NoticesSettings, post: Post):
    outbox.put(20)
    busy = plain.model_copy(update={"smtp_connections": 3})
    first, second = EmailSender(outbox.settings, busy), EmailSender(outbox.settings, busy)
    tasks = [asyncio.create_task(each.run()) for each in (first, second)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "due" in outbox.statuses() or "sending" in outbox.statuses():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(post.taken) == 20
    assert len({each["Message-ID"] for each in post.taken}) == 20
    assert [first.active, second.active].count(True) == 1
