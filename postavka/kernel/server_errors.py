"""What a server that can't be used means for whoever reads it, and what to do. What a library says itself is shown with
POSTAVKA_LOG_LEVEL=DEBUG alone, on the error output: it names functions and files of its own, perhaps a password."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from aiokafka.errors import KafkaError as AiokafkaError
from confluent_kafka import KafkaError, KafkaException

from postavka.kernel.console import errors
from postavka.kernel.settings import settings


@dataclass(frozen=True, slots=True)
class ServerError:
    """`meaning` goes on after the server's name, `advice` is what to do."""

    server: str
    meaning: str
    advice: str

    def __str__(self) -> str:
        return f"{self.server} {self.meaning}: {self.advice}" + ("" if self.advice.endswith("?") else ".")


REFUSED = (r"Connection refused|No such file", "refused the connection", "is it up, are host and port right?")
UNKNOWN_HOST = r"resolve|translate host name|RESOLVE"
SILENT = ("does not answer in time", "is it up, does a firewall stand between?")
FULL = (r"No space left|could not extend", "has no room on its disk", "make room there")
POSTGRESQL = (
    (r"password authentication failed|no password supplied", "refuses the password", "correct it in DATABASE_URL"),
    (r"(role|user) .* does not exist", "does not know the user", "make it, or correct DATABASE_URL"),
    (r"database .* does not exist", "has no such database", "make it, or correct DATABASE_URL"),
    (r"no pg_hba.conf entry", "does not let this machine in", "add it to pg_hba.conf"),
    (r"too many (clients|connections)|connection slots", "takes no more connections", "raise max_connections"),
    (r"starting up|shutting down|recovery mode|administrator command", "starts or stops", "try again in a moment"),
    REFUSED,
    (UNKNOWN_HOST, "has a host that is not known", "correct DATABASE_URL"),
    (r"SSL|certificate", "agrees on no TLS with this program", "see sslmode and sslrootcert in DATABASE_URL"),
    (r"statement timeout", "took too long", "try again when there is less to do"),
    (r"time-?out|timed out", *SILENT),
    (r"closed the connection|connection .*(closed|lost)", "went away meanwhile", "try again"),
    FULL,
    (r"ProgrammingError", "has an address that can't be read", "correct DATABASE_URL: host, port, database, user"),
)
"""What libpq says, or the error's class (a connection that failed has no code); the first that fits."""
KAFKA = (
    REFUSED,
    (UNKNOWN_HOST, "has a host that is not known", "correct KAFKA_BOOTSTRAP_SERVERS"),
    (r"AUTHENTICATION", "refuses user or password", "see the settings that begin with KAFKA_SASL"),
    (r"_SSL|SSL handshake", "agrees on no TLS with this program", "see the settings that begin with KAFKA_SSL"),
    (r"AUTHORIZATION|AuthorizationFailed", "does not let this user do that", "see `postavka acls list`"),
    (r"UNKNOWN_TOPIC|UnknownTopic", "has no such topic", "make it with `postavka topics`"),
    (r"INVALID_ARG", "has settings that can't be used", "see those that begin with KAFKA_"),
    (r"NotLeader|LeaderNotAvailable", "has partitions without a leader", "try again in a moment"),
    (r"TIMED_OUT|TimedOut|RequestTimedOut", *SILENT),
    (r"TRANSPORT|BROKERS_DOWN|Connection", "does not answer", "is it up, is the address right, do TLS and SASL fit?"),
)
"""librdkafka's name of an error and what it says, or the class of aiokafka's; the first that fits."""


def postgresql_error(error: psycopg.Error) -> ServerError:
    """What this error of PostgreSQL or of its client means."""
    # A URL that can't be read is quoted, with the password that may stand in it.
    said = "" if isinstance(error, psycopg.ProgrammingError) else str(error)
    return _meaning("PostgreSQL", POSTGRESQL, type(error).__name__, said)


def kafka_error(error: KafkaException | AiokafkaError | KafkaError) -> ServerError:
    """What this error of Kafka or of its clients means."""
    first = error.args[0] if isinstance(error, KafkaException) and error.args else error
    name = first.name() if isinstance(first, KafkaError) else type(first).__name__
    return _meaning("Kafka", KAFKA, name, str(first))


def _meaning(server: str, known: Sequence[tuple[str, str, str]], name: str, said: str) -> ServerError:
    if settings().log_level == "DEBUG":
        errors.print(f"{server}: {name}: {said}", markup=False, highlight=False, soft_wrap=True)
    for pattern, meaning, advice in known:
        if re.search(pattern, f"{name}: {said}"):
            return ServerError(server, meaning, advice)
    return ServerError(server, f"could not be used ({name})", "see its log; POSTAVKA_LOG_LEVEL=DEBUG shows more")
