"""What needs somebody's attention: one set of counts, from which the home of operations and the badges of the menu are
made.

Counts are kept for a few seconds. A page that only shows badges takes what is there and lets it be counted anew beside
it; the home of operations waits for fresh ones.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.sql import SQL, Composed

from postavka.domain.wording import STAGES
from postavka.kernel.process.logs import WAITING, logger
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from services.cabinet.renewals.ending import OPEN, ended_lately
from services.ops.dead_letters import open_by_stage
from services.ops.lag import ServiceState, services
from services.ops.queues import Queue, queues
from services.ops.settings import OpsSettings
from services.ops.store import NOT_THERE, SEES_ALL

QUERIES = load_queries("services.ops")

log = logger(__name__)

BADGES_SECONDS = 10.0
"""Badges are at most so old when nobody is counting."""
HOME_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Concern:
    """One count of things that wait for somebody. `path`: where they are; `section`: the path of the menu's entry that
    they belong to; `by`: who has to act; `burns`: it should not be there at all."""

    title: str
    count: int
    path: str
    section: str
    by: str = ""
    burns: bool = True


@dataclass(frozen=True, slots=True)
class Attention:
    """All counts of one moment, and the services that are not well."""

    concerns: Sequence[Concern]
    unwell: Sequence[ServiceState]

    @property
    def badges(self) -> dict[str, int]:
        """How much waits in each section of the menu, by its path; sections where nothing waits are left out."""
        found: Counter[str] = Counter()
        for each in self.concerns:
            found[each.section] += each.count
        return {section: count for section, count in found.items() if count}


@dataclass(frozen=True, slots=True)
class DeskCounts:
    """What waits at the desks beside the stages: how many clients nobody has checked, payments that fit no invoice,
    refunds, envelopes, documents that can't leave, services that ended unanswered, e-mails that were not delivered."""

    clients: int = 0
    unmatched: int = 0
    refunds: int = 0
    envelopes: int = 0
    stuck: int = 0
    lapsed: int = 0
    failed_mail: int = 0


def concerns_of(
    waiting: Sequence[Queue], letters: Mapping[str, int], desks: DeskCounts, unwell: Sequence[ServiceState]
) -> list[Concern]:
    """The counts as the home of operations shows them, in the order of the procedure. Pure."""
    late = [
        Concern(
            f"Сверх срока: {each.name}",
            each.overdue,
            f"/ops/waiting?what={each.waits_for}&overdue=1",
            "/ops/waiting",
            each.awaited,
        )
        for each in waiting
    ]
    refused = [
        Concern(f"Непринятое: {STAGES[stage].lower()}", count, f"/ops/letters?stage={stage}", "/ops/letters")
        for stage, count in letters.items()
    ]
    return [
        *late,
        Concern("Клиенты без сверки с ФНС", desks.clients, "/ops/clients", "/ops/waiting", "мы", burns=False),
        *refused,
        Concern("Деньги не разнесены", desks.unmatched, "/ops/money", "/ops/money", "мы"),
        Concern("Вернуть плательщикам", desks.refunds, "/ops/money/refunds", "/ops/money", "мы"),
        Concern("Отправить почтой", desks.envelopes, "/ops/post", "/ops/post", "мы", burns=False),
        Concern("Документы не уходят", desks.stuck, "/ops/post", "/ops/post", "мы"),
        Concern("Сервисы закончились без ответа", desks.lapsed, "/ops/lapsed", "/renewals", "партнёр", burns=False),
        Concern("Службы не в порядке", len(unwell), "/ops/streams", "/ops/streams", "мы"),
        Concern("Письма не доставлены", desks.failed_mail, "/letters?status=failed", "/letters", "мы"),
    ]


class AttentionCounts:
    """The counts of this process, kept and counted anew when they are old. Safe from any thread."""

    def __init__(self, config: Settings, limits: OpsSettings) -> None:
        self._config = config
        self._limits = limits
        self._lock = threading.Lock()
        self._last: Attention | None = None
        self._counted_at = float("-inf")

    def fresh(self) -> Attention:
        """Counts that are hardly older than this call. Raises `psycopg.OperationalError` while PostgreSQL is away."""
        with self._lock:
            if self._last is None or time.monotonic() - self._counted_at > HOME_SECONDS:
                self._count()
            assert self._last is not None  # noqa: S101
            return self._last

    def badges(self) -> dict[str, int]:
        """The last counts, at once; old ones are counted anew beside this. None yet: nothing."""
        if time.monotonic() - self._counted_at > BADGES_SECONDS and self._lock.acquire(blocking=False):
            threading.Thread(target=self._count_and_let_go, name="attention", daemon=True).start()
        return self._last.badges if self._last is not None else {}

    def _count_and_let_go(self) -> None:
        try:
            self._count()
        except psycopg.Error as away:
            log.warning(WAITING, server="PostgreSQL", why=str(away)[:200])
        finally:
            self._lock.release()

    def _count(self) -> None:
        parameters = SEES_ALL | {"statement_timeout": "15000"}
        with open_session(database_url(self._config), parameters, application_name="postavka-web-ops") as connection:
            waiting = queues(connection, self._limits)
            letters = open_by_stage(connection)
            desks = desk_counts(connection)
        unwell = [each for each in services(self._config) if each.trouble]
        self._last = Attention(concerns_of(waiting, letters, desks, unwell), unwell)
        self._counted_at = time.monotonic()


def desk_counts(connection: psycopg.Connection[Any]) -> DeskCounts:
    """One query for each read model; one that was never here counts nothing."""
    clients = _counted(connection, QUERIES.count_unchecked, 1)
    money = _counted(connection, QUERIES.count_money, 2)
    post = _counted(connection, QUERIES.count_post, 2)
    lapsed = _counted(connection, QUERIES.count_lapsed.format(OPEN), 1, ended_lately().parameters())
    mail = _counted(connection, QUERIES.count_failed_mail, 1)
    return DeskCounts(*clients, *money, *post, *lapsed, *mail)


def _counted(
    connection: psycopg.Connection[Any], query: SQL | Composed, columns: int, values: Mapping[str, object] | None = None
) -> tuple[int, ...]:
    try:
        row = connection.execute(query, values).fetchone()
    except NOT_THERE:
        row = None
    return tuple(row) if row is not None else (0,) * columns
