"""A real mail server in the run, and an outbox of a test's own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Protocol
from aiosmtpd.smtp import AuthResult, LoginPassword, Session
from aiosmtpd.smtp import Envelope as MailEnvelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from psycopg.rows import dict_row

from events.commands import DistributorConfirmation
from events.envelope import Envelope
from events.model import Message
from events.registry import encode
from events.topics import (
    ACTIVATION_EVENTS,
    APPROVAL_EVENTS,
    BILLING_EVENTS,
    DEAD_LETTERS,
    OPS_EVENTS,
    REQUEST_EVENTS,
    SHIPPING_EVENTS,
    Topic,
    confirmations_of,
)
from postavka.app.one_box.launcher import SAMPLE
from postavka.domain.reference.file import read_file
from postavka.domain.reference.store import load
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from services.notices.channels.email.channel import _row
from services.notices.channels.email.message import write_emails
from services.notices.channels.email.recipients import Recipient
from services.notices.projection import SCHEMA, Notices
from services.notices.settings import NoticesSettings
from tests.conftest import NewDatabase
from tests.kernel.keys import forget_keys
from tests.services.notices.stories import CONTACT, DISTRIBUTOR, NOON, THROUGH, told

USER, PASSWORD = "postavka", "a secret of the mail server"


@dataclass
class Post:
    """What the server has taken, and how it is to behave: answers are given one after another, then it takes all."""

    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    on_recipient: list[str] = field(default_factory=list)
    on_data: list[str] = field(default_factory=list)
    """An answer, `drop` (take the text and close without a word), `slow` (take it, and answer too late)."""
    signed_in: list[bytes] = field(default_factory=list)

    async def handle_RCPT(
        self, server: Protocol, session: Session, envelope: MailEnvelope, address: str, options: list[str]
    ) -> str:
        if self.on_recipient and (answer := self.on_recipient.pop(0)) != "250":
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Protocol, session: Session, envelope: MailEnvelope) -> str:
        answer = self.on_data.pop(0) if self.on_data else "250 taken"
        if answer[0] in "45":
            return answer
        assert isinstance(envelope.content, bytes)
        self.taken.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        self.recipients += envelope.rcpt_tos
        if answer == "drop":
            assert server.transport is not None
            server.transport.abort()
        if answer == "slow":
            await asyncio.sleep(3)
        return "250 taken"

    def authenticate(
        self, server: Protocol, session: Session, envelope: MailEnvelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        if (data.login, data.password) != (USER.encode(), PASSWORD.encode()):
            return AuthResult(success=False, handled=False)
        self.signed_in.append(data.login)
        return AuthResult(success=True)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def plain(post: Post) -> Iterator[NoticesSettings]:
    """A server on this machine, in the clear."""
    controller = Controller(post, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield smtp_settings(controller, smtp_security="none")
    controller.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PEM with key and certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("mail") / "mail.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


@pytest.fixture(params=["starttls", "tls"])
def secured(post: Post, certificate: Path, request: pytest.FixtureRequest) -> Iterator[NoticesSettings]:
    """A server that wants TLS and a password."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    security = (
        {"ssl_context": context} if request.param == "tls" else {"tls_context": context, "require_starttls": True}
    )
    controller = Controller(
        post,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=post.authenticate,
        auth_required=True,
        auth_require_tls=request.param == "starttls",
        **security,  # type: ignore[arg-type]
    )
    controller.start()
    yield smtp_settings(
        controller,
        smtp_security=request.param,
        smtp_cafile=certificate,
        smtp_username=USER,
        smtp_password=PASSWORD,
    )
    controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def smtp_settings(controller: Controller, **more: Any) -> NoticesSettings:
    assert controller.server is not None
    port = controller.server.sockets[0].getsockname()[1]
    quick = {"smtp_seconds": 1.0, "mail_retry_seconds": 0.05, "smtp_connections": 1}
    return NoticesSettings(smtp_host="127.0.0.1", smtp_port=port, url="https://cabinet.example", **quick | more)


@pytest.fixture(scope="session")
def outbox_url(new_database: NewDatabase) -> Iterator[str]:
    """A database with the notices' schema."""
    with new_database() as url:
        yield url


@dataclass(frozen=True)
class Outbox:
    """The table of letters."""

    settings: Settings
    connection: psycopg.Connection[dict[str, Any]]

    def put(self, count: int = 1, **changes: Any) -> list[str]:
        """Letters that are due; returns their Message-IDs."""
        ids = []
        for number in range(count):
            news = told(*THROUGH)[0]
            person = Recipient(f"reader-{number}@lukomor.example", CONTACT.name)
            (email,) = write_emails(news, [person], NoticesSettings(url="https://cabinet.example"), b"key")
            self.connection.execute(
                "INSERT INTO mail (id, request_id, kind, party, party_id, recipient, recipient_name, message_id, "
                "subject, text, html, off, cause, happened_at, status) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                _row(email, changes.get("status", "due")),
            )
            ids.append(email.message_id)
        return ids

    def rows(self) -> list[dict[str, Any]]:
        """As they are read, by recipient."""
        rows = open_vault(self.settings).reveal(self.connection.execute("SELECT * FROM mail").fetchall())
        return sorted(rows, key=lambda row: row["recipient"] or "")

    def statuses(self) -> list[str]:
        return [row["status"] for row in self.rows()]


@pytest.fixture
def outbox(servers: Endpoints, outbox_url: str, tmp_path: Path) -> Iterator[Outbox]:
    """Empty."""
    forget_keys(outbox_url)
    with psycopg.connect(
        outbox_url, autocommit=True, row_factory=dict_row, options=f"-c search_path={SCHEMA}"
    ) as connection:
        connection.execute(
            "SET session_replication_role = replica; TRUNCATE mail, stories, answers, preferences, unread, claims; "
            "DELETE FROM stored_events; DELETE FROM notification_tracking; SET session_replication_role = origin; "
            "UPDATE head SET position = 0"
        )
        yield Outbox(Settings(**servers.settings(database_url=outbox_url, home=tmp_path)), connection)


NORTH, URAL = DISTRIBUTOR.id, "dist-ural"
RECENT = NoticesSettings(mail_oldest_seconds=10**10, url="https://cabinet.example")
TOPICS: dict[str, Topic] = {
    message.TYPE: topic
    for topic in (REQUEST_EVENTS, APPROVAL_EVENTS, BILLING_EVENTS, SHIPPING_EVENTS, ACTIVATION_EVENTS, OPS_EVENTS)
    for message in topic.carries
}


@pytest.fixture(scope="module")
def sample(outbox_url: str) -> None:
    load(outbox_url, read_file(SAMPLE), "test")


@pytest.fixture
def notices(outbox: Outbox, sample: None) -> Notices:
    return opened(outbox)


def opened(outbox: Outbox, distributors: Sequence[str] = (NORTH, URAL), chosen: NoticesSettings = RECENT) -> Notices:
    made = Notices(outbox.settings, distributors, chosen)
    made.marks([partition_name(topic, 0) for topic in made.topics])
    return made


class Log:
    """Records as they lie on the topics, partition 0 of each."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def event(self, request_id: UUID, event: Message, input: str | None = None, time: datetime = NOON) -> Record:
        topic = TOPICS[event.TYPE]
        offset = self._offset(topic.name)
        envelope = Envelope(
            id=f"{request_id}/{offset + 1}",
            source=f"/postavka/{topic.writer}",
            type=event.TYPE,
            subject=str(request_id),
            time=time,
            clock=1,
            correlation=str(request_id),
            position=offset + 1,
            input=input or f"x/0/{offset}",
        )
        return Record(topic.name, 0, offset, 0, str(request_id).encode(), encode(event), tuple(envelope.headers()))

    def answer(self, request_id: UUID, number: str, distributor: str = NORTH, **changes: Any) -> Record:
        body = encode(DistributorConfirmation(request_id=request_id, confirmation_id=number, accepted=True))
        topic = confirmations_of(distributor)
        record = Record(topic, 0, self._offset(topic), 1_000, str(request_id).encode(), body, ())
        return record._replace(**changes)

    def dead_letter(self, of: Record, code: str = "bad-body", reason: str = "accepted: Field required") -> Record:
        facts = {
            "dlq_id": "/postavka/billing#1",
            "dlq_topic": of.topic,
            "dlq_partition": str(of.partition),
            "dlq_offset": str(of.offset),
            "dlq_code": code,
            "dlq_reason": reason,
        }
        headers = (*of.headers, *((name, text.encode()) for name, text in facts.items()))
        return Record(DEAD_LETTERS.name, 0, self._offset(DEAD_LETTERS.name), 1_000, of.key, of.value, headers)

    def _offset(self, topic: str) -> int:
        self._next[topic] = self._next.get(topic, -1) + 1
        return self._next[topic]


@pytest.fixture
def log() -> Log:
    return Log()
