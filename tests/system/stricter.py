"""Other rules, for a replay: requests for one registration number are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from events.approval import Rejected
from events.model import Event, Reason
from services.approval import decider

REGISTRATION = "9999999"


class approval:
    """In the place of approval's decider."""

    @staticmethod
    def decide(state: Any, message: Any, facts: Any) -> Sequence[Event]:
        decided = decider.decide(state, message, facts)
        if decided and message.registration_number == REGISTRATION:
            reason = Reason(code="stricter", message="нет")
            return (Rejected(partner_id=message.partner_id, reasons=(reason,), reference_version=facts.version),)
        return decided


class shipping:
    """A decider that is not pure: it sends something."""

    @staticmethod
    def decide(state: Any, message: Any, facts: Any) -> Sequence[Event]:
        import confluent_kafka

        confluent_kafka.Producer({"bootstrap.servers": "127.0.0.1:1"})
        raise AssertionError("a producer was made")
