"""Sending commands to Kafka: the only place where the web application writes anything about a request.

`send` returns when the broker has the command (idempotent producer, acks=all). If it can't say so in time it raises
`NotSentYet`: the command may or may not have arrived, and may be sent again under the same ids.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from events.commands import (
    ActivateDelivery,
    CreditOverpayment,
    DeclineDocument,
    DistributorConfirmation,
    MatchPayment,
    MatchReturn,
    ReturnMoney,
    SignDocument,
    SubmitRequest,
    WithdrawRequest,
)
from events.model import Message
from events.topics import (
    ACTIVATION_COMMANDS,
    DOCUMENT_COMMANDS,
    PAYMENT_COMMANDS,
    REQUEST_COMMANDS,
    confirmations_of,
)
from events.versions import spoken
from postavka.kernel.log.connection import for_aiokafka
from postavka.kernel.outbox.command_sender import envelope_of
from postavka.kernel.privacy.protect import protected
from postavka.kernel.process import tracing
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import Settings

log = logger(__name__)
SOURCE = "/postavka/web"
RETRY_SECONDS = 2.0


class NotSentYet(Exception):
    """Kafka did not say in time that it has the command."""


class Commands:
    """The producer that writes the commands of visitors. `start` does not wait for Kafka: without it pages can still be
    read."""

    def __init__(self, config: Settings, seconds: float) -> None:
        self._config, self._seconds = config, seconds
        self._producer: AIOKafkaProducer | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Has the producer found the broker?"""
        return self._producer is not None

    async def start(self) -> None:
        """Connect in the background, again and again until it works."""
        self._starting = asyncio.create_task(self._connect())

    async def close(self) -> None:
        """Send what is under way, then disconnect."""
        if self._starting is not None:
            self._starting.cancel()
        if self._producer is not None:
            await self._producer.stop()

    async def submit(self, command: SubmitRequest) -> None:
        """Send a request (L11). The same request id twice is one request."""
        await self._send(REQUEST_COMMANDS.name, command.request_id, command)

    async def withdraw(self, command: WithdrawRequest) -> None:
        """Shipping has the last word."""
        await self._send(REQUEST_COMMANDS.name, command.request_id, command)

    async def answer(self, distributor_id: str, command: DistributorConfirmation) -> None:
        """Send a distributor's answer (L17): the record that the distributor's own client would write, on the topic
        that is its own."""
        await self._send(confirmations_of(distributor_id), command.request_id, command)

    async def activate(self, command: ActivateDelivery) -> None:
        """Send an activation (L19)."""
        await self._send(ACTIVATION_COMMANDS.name, command.request_id, command)

    async def sign(self, command: SignDocument) -> None:
        """Send a document's signature (L16)."""
        await self._send(DOCUMENT_COMMANDS.name, command.request_id, command)

    async def refuse_to_sign(self, command: DeclineDocument) -> None:
        """Send the counterparty's refusal to sign (L16): the counterparty says what is wrong with a document."""
        await self._send(DOCUMENT_COMMANDS.name, command.request_id, command)

    async def settle(self, subject: str, command: MatchPayment | ReturnMoney | MatchReturn | CreditOverpayment) -> None:
        """What operations decide about money; `subject` is the payment, return or invoice it is about. The match of a
        credit goes behind it, on the same partition."""
        await self._send(PAYMENT_COMMANDS.name, subject, command)
        if isinstance(command, CreditOverpayment):
            await self._send(PAYMENT_COMMANDS.name, subject, command.match)

    async def _send(self, topic: str, request_id: UUID | str, message: Message) -> None:
        producer = self._producer
        if producer is None:
            raise NotSentYet("Kafka has not been reached yet")
        subject = str(request_id)
        message = await asyncio.to_thread(protected, self._config, message)
        type_name, body = spoken(message)
        envelope = envelope_of(type_name, SOURCE, subject, tracing.current())
        sending = producer.send_and_wait(topic, body, subject.encode(), headers=envelope.headers())
        try:
            await asyncio.wait_for(sending, self._seconds)
        except (KafkaError, TimeoutError) as away:
            log.warning("not sent", type=message.TYPE, subject=subject, error=repr(away)[:300])
            raise NotSentYet(message.TYPE) from away
        log.info("sent", type=message.TYPE, subject=subject, topic=topic)

    async def _connect(self) -> None:
        while True:
            producer = AIOKafkaProducer(
                **for_aiokafka(self._config),
                enable_idempotence=True,
                acks="all",
                linger_ms=0,
                request_timeout_ms=int(self._seconds * 1000),
            )
            try:
                await producer.start()
            except KafkaError as away:
                log.warning("Kafka is away", error=repr(away)[:300])
                await producer.stop()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._producer = producer
            return
