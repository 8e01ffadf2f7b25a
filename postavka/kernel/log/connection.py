"""The connection to Kafka in each client library's settings: addresses and who we are. One place for SASL and TLS."""

from __future__ import annotations

import ssl
from typing import Any

from postavka.kernel.errors import UserError
from postavka.kernel.settings import Settings

ISOLATION = "read_committed"
"""Kafka's name for it, the same in all libraries: records of an aborted transaction are not given out, those of an open
one not yet, and a partition ends where the first open transaction begins (its last stable offset)."""
REQUEST_SECONDS = 15
"""How long every service of ours waits for a broker's answer. A broker that has died closes its connections; one whose
host is cut off, or that stands, says nothing, and until then nobody asks where its partitions are led now. Libraries
wait for 30 to 60 s, and stages one behind another wait one after another."""


class NoKafka(UserError):
    """No bootstrap servers are set."""


def bootstrap(settings: Settings) -> str:
    """The brokers' addresses, `host:port[,host:port…]`. Raises `NoKafka` when unset: a service never starts servers by
    itself."""
    if not settings.kafka_bootstrap_servers:
        raise NoKafka("KAFKA_BOOTSTRAP_SERVERS is not set; start the whole with `postavka up`, or point it at a broker")
    return settings.kafka_bootstrap_servers


def _password(settings: Settings) -> str | None:
    return settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else None


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS for the Python clients; None without TLS."""
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
    if settings.kafka_ssl_certfile is not None:
        context.load_cert_chain(settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)
    return context


def for_aiokafka(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of `AIOKafkaProducer` and `AIOKafkaClient`."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": bootstrap(settings),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": _password(settings),
        }
    return arguments


def for_aiokafka_consumer(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of every `AIOKafkaConsumer`: what a sender has taken back was never said."""
    return for_aiokafka(settings) | {"isolation_level": ISOLATION}


def for_kafka_python(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of kafka-python's `KafkaAdminClient`."""
    arguments = for_aiokafka(settings)
    return arguments | {"bootstrap_servers": arguments["bootstrap_servers"].split(",")}


def for_librdkafka(settings: Settings) -> dict[str, Any]:
    """Configuration of confluent_kafka's clients."""
    conf: dict[str, Any] = {
        "bootstrap.servers": bootstrap(settings),
        "security.protocol": settings.kafka_security_protocol,
        "log_level": 3,
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        conf |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": settings.kafka_sasl_username,
            "sasl.password": _password(settings),
        }
    for name, path in (
        ("ssl.ca.location", settings.kafka_ssl_cafile),
        ("ssl.certificate.location", settings.kafka_ssl_certfile),
        ("ssl.key.location", settings.kafka_ssl_keyfile),
    ):
        if path is not None:
            conf[name] = str(path)
    return conf


def jaas(mechanism: str, username: str, password: str) -> str:
    """Java's `sasl.jaas.config` for one who signs in. Holds the password."""
    module = "scram.ScramLoginModule" if mechanism.startswith("SCRAM") else "plain.PlainLoginModule"
    return f'org.apache.kafka.common.security.{module} required username="{username}" password="{password}";'


def for_producer(settings: Settings) -> dict[str, Any]:
    """Configuration of every librdkafka producer of ours: it loses nothing, repeats nothing and keeps order. A key has
    the partition that Java's clients give it.

    One request in flight, for idempotence alone loses records: while a broker comes back, it can refuse the first of
    two requests ("not leader") and take the second. A partition that does not know the producer yet takes any first
    sequence number, and librdkafka then believes that the first was taken as well (`implicitly acked`).
    `tests/kernel/store/test_library_defects.py` shows it.
    """
    return for_librdkafka(settings) | {
        "enable.idempotence": True,
        "acks": "all",
        "max.in.flight.requests.per.connection": 1,
        "socket.timeout.ms": REQUEST_SECONDS * 1_000,
        "partitioner": "murmur2_random",
    }
