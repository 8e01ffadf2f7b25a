"""Send commands: what people and outside systems ask for. Returns only when the broker has them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from events.envelope import Envelope
from events.model import Message
from events.versions import spoken
from postavka.kernel.errors import ServerAway, UserError
from postavka.kernel.ids import new_id
from postavka.kernel.log.connection import for_producer
from postavka.kernel.privacy.protect import protected
from postavka.kernel.process import tracing
from postavka.kernel.settings import Settings

TIMEOUT_SECONDS = 30


class CommandNotSent(ServerAway):
    """The broker did not take a command; it may be sent again under the same ids."""


class NoTopic(UserError):
    """The topic does not exist, so nothing was sent."""


def envelope_of(type_name: str, source: str, subject: str, trace: str | None) -> Envelope:
    """The envelope of a command that is sent now. `trace`: the `traceparent` of the sending."""
    return Envelope(
        id=str(new_id()),
        source=source,
        type=type_name,
        subject=subject,
        time=datetime.now(UTC),
        correlation=subject,
        trace=trace,
    )


class Sender:
    """Keeps one idempotent producer. `source` says who sends: `/postavka/cli`."""

    def __init__(self, settings: Settings, source: str) -> None:
        self._settings = settings
        self._source = source
        self._failed: KafkaError | None = None
        self.place: tuple[str, int, int] | None = None
        """Topic, partition and offset of what the broker has taken last."""
        self._known: set[str] = set()
        self._producer = Producer(
            for_producer(settings)
            | {
                "linger.ms": 2,
                "message.timeout.ms": TIMEOUT_SECONDS * 1000,
            }
        )

    def send(self, topic: str, subject: str, message: Message, trace: str | None = None) -> Envelope:
        """Hand over one command; `flush` to be sure of it. `subject` is the key: the request id; `trace` the
        `traceparent` of what it comes from, if that is not what is being done here. Personal data in it is encrypted
        first. Raises `NoTopic`."""
        message = protected(self._settings, message)
        with tracing.span(f"send {message.TYPE}", "PRODUCER", trace) as sent:
            return self._send(topic, subject, message, sent)

    def _send(self, topic: str, subject: str, message: Message, trace: str | None) -> Envelope:
        type_name, body = spoken(message)
        envelope = envelope_of(type_name, self._source, subject, trace)
        self.send_raw(topic, subject.encode(), body, envelope.headers())
        return envelope

    def send_raw(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]] = ()
    ) -> None:
        """Hand over any bytes (an outside client's plain JSON; a test's poison). Raises `NoTopic`."""
        self._look_for(topic)
        while True:
            try:
                self._producer.produce(topic, value, key, headers=list(headers), on_delivery=self._delivered)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until the broker has everything. Raises `CommandNotSent`."""
        left = self._producer.flush(TIMEOUT_SECONDS)
        failed, self._failed = self._failed, None
        if failed is not None or left:
            why = KafkaException(failed or KafkaError(KafkaError._MSG_TIMED_OUT, f"{left} were not acknowledged"))
            raise CommandNotSent(why.args[0].str()) from why

    def _look_for(self, topic: str) -> None:
        # The producer itself would wait half a minute for a topic that is not there, and then call it a time-out.
        if topic in self._known:
            return
        try:
            found = self._producer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
        except KafkaException as away:
            raise CommandNotSent(away.args[0].str()) from away
        if found.error is not None and found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise NoTopic(f"there is no topic {topic}; `postavka topics` makes those that belong to the reference data")
        self._known.add(topic)

    def _delivered(self, error: KafkaError | None, taken: KafkaMessage) -> None:
        if error is not None:
            self._failed = error
        else:
            self.place = taken.topic(), taken.partition(), taken.offset()
