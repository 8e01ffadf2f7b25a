"""The two ways out for an e-mail: a mail server, or a file in mbox form where none is set."""

from __future__ import annotations

import asyncio
import fcntl
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import aiosmtplib
from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from postavka.kernel.process.logs import logger
from services.notices.channels.email.mime import Outgoing
from services.notices.settings import NoticesSettings

log = logger(__name__)

MBOX_BYTES, MBOX_OLDER = 50_000_000, 2
"""A file of e-mails that has grown to so many bytes gets a number, as logs do; so many with a number are kept."""


class Trouble(StrEnum):
    """What keeps letters from going out, as `/healthz` and pages say it; what a library said of it is in the log."""

    UNREACHABLE = "the mail server can't be reached"
    NOT_TRUSTED = "the certificate of the mail server is not trusted"
    SIGN_IN = "the mail server refuses our name or password"
    SENDER = "the mail server refuses us as a sender"
    NO_ANSWER = "the mail server did not answer"
    UNFIT = "the letter can't be written"


class RefusedForGood(Exception):
    """This e-mail will never be taken: the server has said so for good (5xx)."""

    def __init__(self, reply: str, code: int) -> None:
        super().__init__(reply)
        self.code = code


class Later(Exception):
    """The server takes this e-mail not now (4xx, or an answer that didn't come). `unsure`: its text had been handed
    over."""

    def __init__(self, reply: str, code: int | None = None, *, unsure: bool = False) -> None:
        super().__init__(reply)
        self.code, self.unsure = code, unsure


class Away(Exception):
    """The server can't be used at all now: no connection, no sign-in, it refuses us as a sender. `raw`: what the
    server or a library said, for the log."""

    def __init__(self, trouble: Trouble, raw: str) -> None:
        super().__init__(trouble.value)
        self.trouble, self.raw = trouble, raw[:500]


class Transport(Protocol):
    """One connection to where e-mail goes; used by one task at a time."""

    async def send(self, email: Outgoing) -> str:
        """Hand over one e-mail; returns what was answered. Raises `RefusedForGood`, `Later`, `Away`."""
        ...

    async def close(self) -> None:
        """Close the connection, if there is one."""
        ...


def open_transport(config: NoticesSettings, home: Path) -> Transport:
    """The transport that the settings name. Connects with the first e-mail."""
    return Server(config) if config.smtp_host else Mbox(mbox_of(home))


def mbox_of(home: Path) -> Path:
    """The file of e-mails where no mail server is set."""
    return home / "mail" / "outbox.mbox"


def mbox_files(file: Path) -> list[Path]:
    """The file of e-mails and those with a number, the newest first; not all of them need be there."""
    return [file, *(file.with_name(f"{file.name}.{number}") for number in range(1, MBOX_OLDER + 1))]


@contextmanager
def locked_mbox(file: Path) -> Iterator[None]:
    """Meanwhile no other process of ours writes e-mails there, takes some out, or gives a file another name."""
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


class Server:
    """A mail server, kept connected between letters."""

    def __init__(self, config: NoticesSettings) -> None:
        self._config = config
        self._client: SMTP | None = None

    async def send(self, email: Outgoing) -> str:
        """Give one e-mail to the server; returns its answer. Raises as `Transport.send` says."""
        client = await self._connected()
        handed_over = False
        try:
            await client.mail(email.sender)
            await client.rcpt(email.recipient)
            handed_over = True
            answer = await client.data(email.content)
            return f"{answer.code} {answer.message}"[:500]
        except SMTPSenderRefused as refused:
            await self.close()
            raise Away(Trouble.SENDER, f"{refused.code} {refused.message}") from refused
        except (SMTPRecipientsRefused, SMTPRecipientRefused, SMTPDataError, SMTPResponseException) as refused:
            await self._reset(client)
            if isinstance(refused, SMTPRecipientsRefused):
                refused = refused.recipients[0]
            reply = f"{refused.code} {refused.message}"[:500]
            if 500 <= refused.code < 600:
                raise RefusedForGood(reply, refused.code) from refused
            raise Later(reply, refused.code) from refused
        except (SMTPServerDisconnected, SMTPTimeoutError, SMTPException, OSError) as gone:
            await self.close()
            log.warning("mail: no answer", error=f"{type(gone).__name__}: {gone}"[:500])
            raise Later(Trouble.NO_ANSWER.value, unsure=handed_over) from gone

    async def _connected(self) -> SMTP:
        if self._client is not None and self._client.is_connected:
            try:
                await self._client.noop()
                return self._client
            except (SMTPException, OSError):
                await self.close()
        config = self._config
        context = ssl.create_default_context(cafile=config.smtp_cafile) if config.smtp_security != "none" else None
        client = aiosmtplib.SMTP(
            hostname=config.smtp_host,
            port=config.port,
            timeout=config.smtp_seconds,
            use_tls=config.smtp_security == "tls",
            start_tls=config.smtp_security == "starttls",
            tls_context=context,
        )
        try:
            await client.connect()
            if config.smtp_username:
                password = config.smtp_password.get_secret_value() if config.smtp_password else ""
                await client.login(config.smtp_username, password)
        except (SMTPException, SMTPConnectError, OSError, ssl.SSLError) as away:
            client.close()
            raise Away(_trouble_of(away), f"{config.smtp_host}:{config.port}: {type(away).__name__}: {away}") from away
        self._client = client
        return client

    async def _reset(self, client: SMTP) -> None:
        try:
            await client.rset()
        except (SMTPException, OSError):
            await self.close()

    async def close(self) -> None:
        """Close the connection at once; the next e-mail opens another."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _trouble_of(away: Exception) -> Trouble:
    if isinstance(away, SMTPAuthenticationError):
        return Trouble.SIGN_IN
    reasons: list[BaseException | None] = [away, away.__cause__, away.__context__]
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in reasons):
        return Trouble.NOT_TRUSTED
    return Trouble.UNREACHABLE


class Mbox:
    """E-mails in a file that mail programs can open: what a machine without a mail server has of them."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def send(self, email: Outgoing) -> str:
        """Append one e-mail to the file; returns which file that is."""
        await asyncio.to_thread(self._append, email)
        return f"written to {self._file.name}"

    def _append(self, email: Outgoing) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        head = f"From MAILER-DAEMON {time.asctime(time.gmtime())}\n".encode()
        entry = head + email.content.replace(b"\r\n", b"\n") + b"\n"  # no line of an e-mail begins with "From "
        with locked_mbox(self._file):
            self._begin_anew()
            with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # for mail programs
                file.write(entry)
                file.flush()
                os.fsync(file.fileno())

    def _begin_anew(self) -> None:
        """A file that is full gets the number 1, and those with a number the next one; the last of them goes."""
        if not self._file.exists() or self._file.stat().st_size < MBOX_BYTES:
            return
        files = mbox_files(self._file)
        for older, newer in reversed(list(zip(files[1:], files, strict=False))):
            if newer.exists():
                newer.replace(older)

    async def close(self) -> None:
        """Nothing to close: the file is opened for each e-mail."""
        return
