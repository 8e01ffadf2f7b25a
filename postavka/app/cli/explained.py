"""What libraries raise, as a sentence that says what to do; None for a defect of ours, which is shown as it is."""

from __future__ import annotations

import psycopg
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from pydantic import ValidationError

from events.registry import explain as explain_body
from postavka.domain.reference.file import ReferenceFileError
from postavka.kernel.errors import ServerAway, UserError
from postavka.kernel.server_errors import kafka_error, postgresql_error

AWAY = (psycopg.OperationalError, KafkaException, KafkaError)


def explain(error: BaseException) -> str | None:
    """One line for the terminal."""
    if isinstance(error, ServerAway) and error.__cause__ is not None:
        return explain(error.__cause__)
    if isinstance(error, ReferenceFileError | UserError):
        return str(error)
    if isinstance(error, ValidationError):
        return explain_body(error)
    if isinstance(error, psycopg.OperationalError):
        return f"{postgresql_error(error)} `postavka doctor` looks at everything."
    if isinstance(error, KafkaException | KafkaError):
        return f"{kafka_error(error)} `postavka doctor` looks at everything."
    return None
