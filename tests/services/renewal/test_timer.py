"""The timer looks up what is due by its index, and tells the stage of the day: once a day, whatever happens."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from events.commands import CancelRenewal, ProlongService, RefuseRenewal, ScheduleRenewal
from events.envelope import Envelope
from events.model import Event, Reason
from events.registry import decode, encode
from events.renewal import (
    Reckoning,
    ReminderDue,
    RenewalActivated,
    RenewalRefused,
    ServiceLapsed,
    ServiceRenewed,
    ServiceStarted,
)
from events.topics import RENEWAL_EVENTS, SERVICE_COMMANDS
from postavka.kernel.log.record import Piece, Record
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.projection.table_projection import TableFold
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from services.renewal.settings import RenewalSettings
from services.renewal.timer.daily_round import DailyRound, day_at
from services.renewal.timer.projection import DEFINITION, MODEL, SCHEMA, Services
from tests.kernel.polling import on_topic, until

FROM, UNTIL = date(2026, 1, 1), date(2026, 12, 31)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class World:
    """Renewal's topic as its relay writes it, the timer's table, and what the timer has told."""

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.services = Services(config)
        self.records: list[Record] = []

    def happens(self, subject: UUID, event: Event) -> None:
        """One event, read by the projection."""
        number = len(self.records)
        envelope = Envelope(
            f"{subject}/{number + 1}", "/postavka/renewal", event.TYPE, str(subject), NOON, 1, position=number + 1
        )
        key, headers = str(subject).encode(), tuple(envelope.headers())
        self.records.append(Record(RENEWAL_EVENTS.name, 0, number, 0, key, encode(event), headers))
        self.services.marks([f"{RENEWAL_EVENTS.name}/0"])
        assert self.services.project(self.records[-1:]) == 1

    def round(self, ladder: tuple[int, ...] = (60, 30, 14, 7, 1)) -> DailyRound:
        """A timer that has just started."""
        return DailyRound(self.config, RenewalSettings(reminder_ladder=ladder))

    def told(self, subject: UUID) -> list[Any]:
        """What lies on the topic for this service."""
        found = []
        for record in on_topic(self.config, SERVICE_COMMANDS.name):
            if record.key == str(subject).encode():
                found.append(decode(Envelope.read(record.headers).type, record.value))
        return found

    def tells(self, subject: UUID, days: list[date]) -> None:
        """In the end these days are told of a service, and no more."""
        until(lambda: len(self.told(subject)) >= len(days), "the day is on the topic")
        assert [each.day for each in self.told(subject)] == days

    def rows(self) -> list[tuple[Any, ...]]:
        """Of the table."""
        with psycopg.connect(self.config.database_url.get_secret_value()) as connection:  # type: ignore[union-attr]
            return connection.execute(
                f"SELECT request_id, until, known_since, reminded, lapsed FROM {SCHEMA}.services ORDER BY 1"  # noqa: S608
            ).fetchall()


@pytest.fixture
def world(servers: Endpoints, database: str) -> World:
    config = Settings(**servers.settings(database_url=database))
    ensure_topics(config, [SERVICE_COMMANDS.name])
    return World(config)


def started(last: date = UNTIL) -> ServiceStarted:
    return ServiceStarted(registration_number="1", service_from=FROM, service_until=last)


def reckoned(day: date) -> Reckoning:
    return Reckoning(day=day, moment=NOON, zone="Europe/Moscow", ladder=(7,))


def reminded(day: date, step: int) -> ReminderDue:
    left = (UNTIL - day).days
    return ReminderDue(service_until=UNTIL, days_before=step, days_left=left, contract=None, reckoning=reckoned(day))


def test_a_day_is_told_of_what_is_due_and_of_nothing_else(world: World) -> None:
    due, far, over = uuid4(), uuid4(), uuid4()
    world.happens(due, started())
    world.happens(far, started(date(2027, 6, 30)))
    world.happens(over, started())
    world.happens(over, ServiceLapsed(service_until=UNTIL, reckoning=reckoned(date(2027, 1, 1))))
    day = UNTIL - timedelta(days=7)
    timer = world.round()
    assert timer.tell(day) == 1
    world.tells(due, [day])
    assert world.told(due)[0].ladder == (60, 30, 14, 7, 1)
    assert timer.tell(day) == 0, "told already"
    world.happens(due, reminded(day, 7))
    assert timer.tell(day + timedelta(days=1)) == 0, "the step was told"
    assert timer.tell(UNTIL) == 1
    assert timer.tell(date(2027, 1, 1)) == 1, "it may have run out"
    world.tells(due, [day, UNTIL, date(2027, 1, 1)])
    assert world.told(far) == world.told(over) == []


def test_after_a_week_away_the_day_of_the_return_is_told_alone(world: World) -> None:
    due = uuid4()
    world.happens(due, started())
    assert world.round().tell(UNTIL - timedelta(days=60)) == 1
    world.happens(due, reminded(UNTIL - timedelta(days=60), 60))
    assert world.round().tell(UNTIL - timedelta(days=5)) == 1
    world.tells(due, [UNTIL - timedelta(days=60), UNTIL - timedelta(days=5)])


def test_a_timer_that_died_between_telling_and_noting_it_tells_again(world: World, monkeypatch: Any) -> None:
    due = uuid4()
    world.happens(due, started())
    timer, day = world.round(), UNTIL - timedelta(days=30)
    send = timer._send

    def send_and_die(*arguments: Any) -> None:
        send(*arguments)
        raise psycopg.OperationalError("killed")

    monkeypatch.setattr(timer, "_send", send_and_die)
    with pytest.raises(psycopg.OperationalError):
        timer.tell(day)
    assert world.round().tell(day) == 1
    world.tells(due, [day, day])


def test_what_one_service_tells_another_is_carried_once(world: World) -> None:
    old, new = uuid4(), uuid4()
    days = {"registration_number": "1", "activated_from": FROM, "activated_until": UNTIL}
    world.happens(new, RenewalActivated(renews=old, **days))
    timer = world.round()
    assert timer.carry() == 1
    until(lambda: world.told(old), "the days are on the topic")
    assert world.told(old) == [ProlongService(request_id=old, renewal_id=new, **days)]
    assert (timer.carry(), world.round().carry()) == (0, 0)
    reason = Reason(code="no-service", message="Продлевать нечего.")
    world.happens(old, RenewalRefused(renewal_id=new, reason=reason, renews=None))
    assert timer.carry() == 1
    until(lambda: world.told(new), "the refusal is on the topic")
    assert world.told(new) == [RefuseRenewal(request_id=new, refused_by=old)]
    assert world.round().tell(date(2027, 1, 1)) == 0, "neither has a service of its own"
    world.happens(new, started())
    assert world.round().tell(date(2027, 1, 1)) == 1, "but the one that was refused has now"


def test_what_partners_have_planned_is_told_once_with_its_end(world: World) -> None:
    """The table is the web application's: it keeps what waits, and what came of it."""
    services, renewals, day = [uuid4(), uuid4()], [uuid4(), uuid4()], date(2026, 12, 1)
    announced = [
        {"renews": str(old), "request_id": str(new), "day": day.isoformat()}
        for old, new in zip(services, renewals, strict=True)
    ]
    with psycopg.connect(world.config.database_url.get_secret_value(), autocommit=True) as connection:  # type: ignore[union-attr]

        def plan(announced: Any) -> UUID:
            plan_id = uuid4()
            connection.execute(
                "INSERT INTO planned.commands (plan_id, kind, fields, subjects, title, result_path, owner, actor,"
                " principal, announced, not_before) VALUES (%s, 'renew', '{}', '{}', 'x', '/', 'partner:x', 'anna',"
                " '{}', %s, now())",
                (plan_id, Jsonb(announced) if announced else None),
            )
            return plan_id

        def over(plan_id: UUID, state: str, by: str | None, not_sent: dict[str, str]) -> None:
            connection.execute(
                "UPDATE planned.commands SET state = %s, finished_by = %s, not_sent = %s, outcome = 'Поздно.',"
                " finished_at = now() WHERE plan_id = %s",
                (state, by, Jsonb(not_sent), plan_id),
            )

        plan(None)
        both = plan(announced)
        assert (world.round().carry(), world.round().carry()) == (2, 0)
        over(both, "sent", None, {str(renewals[1]): "Товар больше не продаётся."})
        assert (world.round().carry(), world.round().carry()) == (1, 0), "what was sent is a request by now"
        until(lambda: len(world.told(services[1])) == 2, "both are on the topic")
        assert world.told(services[0]) == [
            ScheduleRenewal(request_id=services[0], renewal_id=renewals[0], day=day, planned_by="anna")
        ]
        assert world.told(services[1])[1] == CancelRenewal(
            request_id=services[1], renewal_id=renewals[1], reason="Товар больше не продаётся."
        )
        quick, late = uuid4(), uuid4()
        for service, state, by in ((quick, "undone", "boris"), (late, "refused", None)):
            over(plan([{**announced[0], "renews": str(service)}]), state, by, {})
        assert world.round().carry() == 4
        until(lambda: len(world.told(quick) + world.told(late)) == 4, "all are on the topic")
        ends = [(each.cancelled_by, each.reason) for each in (world.told(quick)[1], world.told(late)[1])]
        assert ends == [("boris", None), (None, "Поздно.")], "taken back before the first look, it was planned first"


def test_a_renewed_service_is_told_days_of_its_new_end(world: World) -> None:
    service, until_now = uuid4(), date(2027, 12, 31)
    world.happens(service, started())
    world.happens(service, reminded(UNTIL - timedelta(days=7), 7))
    world.happens(service, ServiceLapsed(service_until=UNTIL, reckoning=reckoned(date(2027, 1, 1))))
    renewed = ServiceRenewed(
        renewal_id=uuid4(),
        activated_from=date(2026, 12, 20),
        activated_until=date(2027, 12, 19),
        service_from=FROM,
        service_until=until_now,
    )
    world.happens(service, renewed)
    assert world.round().tell(date(2027, 1, 1)) == 0
    assert world.round().tell(until_now - timedelta(days=60)) == 1


def test_what_is_due_is_found_by_the_index(world: World) -> None:
    with psycopg.connect(world.config.database_url.get_secret_value(), autocommit=True) as connection:  # type: ignore[union-attr]
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.execute(
            "INSERT INTO services (request_id, until, known_since, lapsed) "
            "SELECT gen_random_uuid(), date '2026-01-01' + n % 3000, date '2025-01-01', false "
            "FROM generate_series(1, 30000) n"
        )
        connection.execute("ANALYZE services")
        plan = connection.execute(
            "EXPLAIN SELECT request_id FROM services WHERE NOT lapsed AND until <= date '2026-03-01' "
            "AND (asked_on IS NULL OR asked_on < date '2026-01-01') ORDER BY until LIMIT 2000"
        ).fetchall()
    assert "services_by_end" in str(plan)


def test_a_rebuild_makes_the_same_table(world: World) -> None:
    for number in range(4):
        subject = uuid4()
        world.happens(subject, started())
        if number % 2:
            world.happens(subject, reminded(UNTIL - timedelta(days=7), 7))
        if number == 3:
            world.happens(subject, ServiceLapsed(service_until=UNTIL, reckoning=reckoned(date(2027, 1, 1))))
    before = world.rows()
    fold = TableFold(DEFINITION)
    fold.take(Piece(RENEWAL_EVENTS.name, 0, world.records))
    with psycopg.connect(world.config.database_url.get_secret_value()) as connection:  # type: ignore[union-attr]
        connection.execute(f"TRUNCATE {SCHEMA}.services")
        connection.execute(f"TRUNCATE {SCHEMA}.carried")
        for each in fold.copied():
            columns = ", ".join(each.columns)
            with connection.cursor().copy(f"COPY {SCHEMA}.{each.table} ({columns}) FROM STDIN") as copy:  # type: ignore[arg-type]
                for row in each.rows:
                    copy.write(row)
    assert world.rows() == before
    assert len(before) == 4
    assert MODEL.schema == SCHEMA


def test_a_day_begins_a_little_after_midnight_in_moscow() -> None:
    """The broker's clock decides, and may be behind: a day that has not come there is refused."""
    assert day_at(datetime(2026, 12, 31, 21, 9, tzinfo=UTC)) == date(2026, 12, 31)
    assert day_at(datetime(2026, 12, 31, 21, 11, tzinfo=UTC)) == date(2027, 1, 1)
