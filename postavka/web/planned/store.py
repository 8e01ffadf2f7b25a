"""The table of planned commands, for whoever plans, shows and undoes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import class_row
from psycopg.sql import SQL
from psycopg.types.json import Jsonb

from postavka.kernel.store.queries import load_queries
from postavka.web.database import Connection
from postavka.web.identity.principal import Principal, Role, Scope

QUERIES = load_queries("postavka.web.planned")
COLUMNS = SQL("plan_id, title, subjects, result_path, actor, planned_at, not_before, state, finished_at, outcome")

SOON = timedelta(minutes=5)
"""What is sent later than this is listed, and stands on no other page."""
TOLD = timedelta(seconds=30)
"""So long pages say that a command has been sent."""
TOLD_WHY = timedelta(minutes=10)
"""So long they say that one was not, and why."""
KEEP = timedelta(days=30)
MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A command to be sent: at `not_before`, or after the seconds in which it may be undone. `plan_id` is made with the
    question, so that the same answer twice is one plan. `announced`: what the log is told of it, ids and days alone."""

    plan_id: UUID
    kind: str
    fields: Mapping[str, Any]
    subjects: Sequence[str]
    title: str
    result_path: str
    not_before: datetime | None = None
    announced: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, slots=True)
class PlannedCommand:
    """A row, as pages show it."""

    plan_id: UUID
    title: str
    subjects: Sequence[str]
    result_path: str
    actor: str
    planned_at: datetime
    not_before: datetime
    state: Literal["waiting", "sent", "refused", "undone"]
    finished_at: datetime | None
    outcome: str | None

    @property
    def is_waiting(self) -> bool:
        """It can still be undone."""
        return self.state == "waiting"

    def seconds_left(self, now: datetime) -> int:
        """Until it is sent."""
        return max(0, round((self.not_before - now).total_seconds()))


async def plan(rows: Connection, principal: Principal, new: NewPlan, delay: timedelta) -> None:
    """Plan it; the same again changes nothing. In the transaction of `Database.rows`."""
    await rows.execute(
        QUERIES.plan,
        {
            "plan_id": new.plan_id,
            "kind": new.kind,
            "fields": Jsonb(dict(new.fields)),
            "subjects": list(new.subjects),
            "title": new.title,
            "result_path": new.result_path,
            "partner_id": principal.partner_id,
            "distributor_id": principal.distributor_id,
            "owner": principal.owner,
            "actor": principal.actor,
            "principal": Jsonb(_written(principal)),
            "announced": Jsonb(list(new.announced)) if new.announced else None,
            "not_before": new.not_before,
            "delay": delay,
        },
    )


async def of_actor(rows: Connection, principal: Principal) -> list[PlannedCommand]:
    """What this person has under way, and what has just ended."""
    values = {"owner": principal.owner, "actor": principal.actor, "soon": SOON, "told": TOLD, "told_why": TOLD_WHY}
    async with rows.cursor(row_factory=class_row(PlannedCommand)) as reading:
        await reading.execute(QUERIES.of_actor.format(COLUMNS), values)
        return await reading.fetchall()


async def of_owner(rows: Connection, principal: Principal) -> list[PlannedCommand]:
    """What this tenant (of operations: this user) has planned, what waits first."""
    async with rows.cursor(row_factory=class_row(PlannedCommand)) as reading:
        await reading.execute(QUERIES.of_owner.format(COLUMNS), (principal.owner, MOST_LISTED))
        return await reading.fetchall()


async def about(rows: Connection, principal: Principal, subjects: Sequence[str]) -> list[PlannedCommand]:
    """What this tenant has waiting about any of these subjects, what is due first."""
    async with rows.cursor(row_factory=class_row(PlannedCommand)) as reading:
        await reading.execute(QUERIES.about.format(COLUMNS), (principal.owner, list(subjects)))
        return await reading.fetchall()


async def one(rows: Connection, principal: Principal, plan_id: UUID) -> PlannedCommand | None:
    """One plan; None where there is none, or it is another's."""
    async with rows.cursor(row_factory=class_row(PlannedCommand)) as reading:
        await reading.execute(QUERIES.one.format(COLUMNS), (plan_id, principal.owner))
        return await reading.fetchone()


async def undo(rows: Connection, principal: Principal, plan_id: UUID) -> bool:
    """Never send it. False: it is over, just being sent, or not this owner's."""
    found = await rows.execute(QUERIES.lock, (plan_id, principal.owner))
    if await found.fetchone() is None:
        return False
    await finish(rows, plan_id, "undone", "Отменено: ничего не отправлено.", by=principal.actor)
    return True


async def finish(
    rows: Connection,
    plan_id: UUID,
    state: Literal["sent", "refused", "undone"],
    said: str,
    *,
    by: str | None = None,
    not_sent: Mapping[str, str] | None = None,
) -> None:
    """It is over. `by`: who has undone it; `not_sent`: what of it was left, by its id, and why."""
    over = {"plan_id": plan_id, "state": state, "said": said, "by": by, "not_sent": Jsonb(dict(not_sent or {}))}
    await rows.execute(QUERIES.finish, over)


async def sweep(rows: Connection) -> None:
    """Remove plans that have been over for long."""
    await rows.execute(QUERIES.expire_plans, (KEEP,))


async def still_stands(rows: Connection, principal: Principal) -> bool:
    """Is who planned a command still somebody who may send it? Its session may have ended meanwhile."""
    if principal.session_id is None:
        found = await rows.execute(QUERIES.token_standing, (principal.id,))
    else:
        values = (principal.id, principal.role.value, principal.partner_id, principal.distributor_id)
        found = await rows.execute(QUERIES.user_standing, values)
    return await found.fetchone() is not None


def _written(principal: Principal) -> dict[str, Any]:
    return {
        "id": principal.id,
        "name": principal.name,
        "role": principal.role.value,
        "partner_id": principal.partner_id,
        "distributor_id": principal.distributor_id,
        "scopes": sorted(each.value for each in principal.scopes),
        "actor": principal.actor,
        "is_person": principal.session_id is not None,
    }


def principal_of(written: Mapping[str, Any]) -> Principal:
    """Who planned a command, as it is sent: a person without its session."""
    fields = dict(written)
    is_person = fields.pop("is_person")
    principal = Principal(**{**fields, "role": Role(fields["role"]), "scopes": frozenset(map(Scope, fields["scopes"]))})
    return replace(principal, session_id="planned") if is_person else principal
