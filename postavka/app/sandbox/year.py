"""Renewal, its timer and the letters under a clock that is turned day by day: the same deciders, stores and tables as
in an installation; records go from one to the other in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from events.activation import Activated, Activator
from events.approval import Approved
from events.envelope import Envelope
from events.model import Channel, Message
from events.reference import Contract
from events.request import PROCEDURE, REQUEST_TYPE, RequestSubmitted
from events.topics import ACTIVATION_EVENTS, APPROVAL_EVENTS, RENEWAL_EVENTS, REQUEST_EVENTS, SERVICE_COMMANDS
from events.versions import spoken
from postavka.app.sandbox.plan import SoldService, year_later
from postavka.domain.calendar import MOSCOW
from postavka.domain.reference.store import Snapshot
from postavka.kernel.log.record import Record
from postavka.kernel.outbox.relay import envelope_of, read_events
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.stage.runner import StageRunner
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.recorder import EventRecorder
from services.notices.projection import Notices
from services.renewal.settings import RenewalSettings
from services.renewal.stage import STAGE
from services.renewal.timer.daily_round import DailyRound
from services.renewal.timer.projection import SCHEMA as TIMER
from services.renewal.timer.projection import Services

T = TypeVar("T")
AT_ONCE = 1_000
"""Records of one transaction."""
MORNING = time(3)


class TurnedClock:
    """A day's end to end: what was sold and renewed on it, then what the timer tells of it."""

    def __init__(self, config: Settings, known: Snapshot, services: Sequence[SoldService], begins: date) -> None:
        self._conninfo = database_url(config)
        self._known = known
        self._inputs = _inputs_by_day(services, begins, known)
        self._moment = datetime.now(UTC)
        self._datastore = SchemaDatastore(self._conninfo, STAGE.name)
        recorder = EventRecorder(self._datastore)
        inputs = list(STAGE.inputs())
        self._stage = StageRunner(STAGE, recorder, inputs, cache_size=200_000)
        self._stage.take_partitions([f"{each.topic}/0" for each in inputs])
        self._commands: list[tuple[str, Message]] = []
        self._numbers = count(self._stage.marks[f"{SERVICE_COMMANDS.name}/0"].offset + 1)
        self._timer, self._notices = Services(config), Notices(config, (), reference=lambda: known)
        self._marks = self._timer.marks([f"{RENEWAL_EVENTS.name}/0"])
        self._notices.marks([f"{topic}/0" for topic in (APPROVAL_EVENTS.name, RENEWAL_EVENTS.name)])
        self._round = DailyRound(config, RenewalSettings(_env_file=None), sender=self)
        self._relayed = self._datastore.open_session()

    def resume(self, day: date) -> None:
        """A run that was killed goes on with its last day: what had no effect yet is told again."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(f"UPDATE {TIMER}.services SET asked_on = NULL WHERE asked_on >= %s", (day,))  # noqa: S608
            connection.execute(f"UPDATE {TIMER}.carried SET sent = false WHERE sent")  # noqa: S608
        self._relay()

    def live(self, day: date) -> None:
        """Everything of one day."""
        self._moment = datetime.combine(day, MORNING, MOSCOW)
        for topic, records in self._inputs.get(day, {}).items():
            for some in _at_once(records):
                stamped = [each._replace(timestamp_ms=self._milliseconds()) for each in some]
                if topic == APPROVAL_EVENTS.name:
                    self._notices.project(stamped)
                else:
                    self._stage.handle(stamped)
        self._relay()
        while self._round.carry():
            self._decide()
        self._round.tell(day)
        self._decide()

    # What the timer takes for the broker

    def send(self, topic: str, subject: str, message: Message) -> None:
        """One command of the timer; it waits for `flush`."""
        self._commands.append((subject, message))

    def flush(self) -> None:
        """The broker has them."""

    def _decide(self) -> None:
        commands, self._commands = self._commands, []
        for some in _at_once(commands):
            self._stage.handle([
                _record(SERVICE_COMMANDS.name, next(self._numbers), None, UUID(subject), message, self._moment)
                for subject, message in some
            ])  # fmt: skip
        self._relay()

    def _relay(self) -> None:
        """What the stage has written, to who follows it."""
        while events := read_events(self._relayed, self._marks[f"{RENEWAL_EVENTS.name}/0"]):
            records = [
                Record(
                    RENEWAL_EVENTS.name, 0, each.position, self._milliseconds(), str(each.originator_id).encode(),
                    each.body, tuple(envelope_of(each, STAGE.source).headers()),
                )
                for each in events
            ]  # fmt: skip
            self._notices.project(records)
            self._timer.project(records)
            self._marks[f"{RENEWAL_EVENTS.name}/0"] = records[-1].offset

    def _milliseconds(self) -> int:
        return int(self._moment.timestamp() * 1_000)


def _inputs_by_day(
    services: Sequence[SoldService], begins: date, known: Snapshot
) -> dict[date, dict[str, list[Record]]]:
    """What other stages have written, by day and topic: the sales on the first day, renewals each on its own."""
    numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(1))
    days: dict[date, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    sales = [(begins, each, None) for each in services]
    renewed = [(each.renewed_on, each, each.request_id) for each in services if each.renewed_on]
    renewals = sorted(renewed, key=lambda each: (each[0], each[1].renewal_id))
    facts = _Facts(known)
    for day, service, renews in (*sales, *renewals):
        moment = datetime.combine(day, MORNING, MOSCOW)

        def add(topic: str, subject: UUID, message: Message) -> None:
            number = next(numbers[topic])
            days[day][topic].append(_record(topic, number, number, subject, message, moment))  # noqa: B023

        if renews is None:
            add(APPROVAL_EVENTS.name, service.request_id, facts.approved())
            add(ACTIVATION_EVENTS.name, service.request_id, facts.activated(service.first, service.last))
        else:
            add(REQUEST_EVENTS.name, service.renewal_id, facts.submitted(renews))
            add(ACTIVATION_EVENTS.name, service.renewal_id, facts.activated(day, year_later(day)))
    return days


class _Facts:
    """The one partner, client and product of all that is sold in a sandbox, from its reference data."""

    def __init__(self, known: Snapshot) -> None:
        self._partner = next(each for each in known.partners.values() if each.contacts)
        self._contact = next(iter(self._partner.contacts.values()))
        self._product = next(iter(known.products.values()))
        self._base = known.base_deliveries[min(self._product.fits)]
        self._registration = "1000001"

    def approved(self) -> Approved:
        return Approved.model_validate(
            {
                "procedure": PROCEDURE, "request_type": REQUEST_TYPE, "channel": Channel.DIRECT,
                "partner": self._partner.partner, "contact": self._contact, "distributor": None,
                "base_delivery": self._base, "registration_number": self._registration,
                "product": self._product.product,
                "client": {"inn": "7707083893", "kpp": "773601001", "name": "АО «Завод точных весов»"},
                "reference_version": 1,
            }
        )  # fmt: skip

    def activated(self, first: date, last: date) -> Activated:
        return Activated(
            activation_id="sandbox", activated_by=Activator.PARTNER, actor="sandbox",
            registration_number=self._registration,
            contract=Contract(number="ITS-1", valid_from=first, valid_until=last),
            service_from=first, service_until=last,
        )  # fmt: skip

    def submitted(self, renews: UUID) -> RequestSubmitted:
        fields: dict[str, Any] = dict.fromkeys(RequestSubmitted.model_fields)
        fields |= {"procedure": PROCEDURE, "partner_id": self._partner.partner.id, "submitted_by": "sandbox"}
        return RequestSubmitted(**fields | {"renews": str(renews)})


def _record(topic: str, offset: int, position: int | None, subject: UUID, message: Message, moment: datetime) -> Record:
    type_name, body = spoken(message)
    envelope = Envelope(
        id=f"{subject}/{offset}", source="/postavka/sandbox", type=type_name, subject=str(subject),
        time=moment.astimezone(UTC), correlation=str(subject), position=position,
    )  # fmt: skip
    key = str(subject).encode()
    return Record(topic, 0, offset, int(moment.timestamp() * 1_000), key, body, tuple(envelope.headers()))


def _at_once(all_: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(all_), AT_ONCE):
        yield all_[start : start + AT_ONCE]


def days_between(since: date, until: date) -> Iterator[date]:
    """Every day, both included."""
    for number in range((until - since).days + 1):
        yield since + timedelta(days=number)
