"""Commands that are sent later (`not_before`): what waits, what became of the rest, and how one is undone."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request

from postavka.web.authorization import allowed
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.planned import store
from postavka.web.planned.store import PlannedCommand
from postavka.web.problem import not_found, problem
from postavka.web.state import web
from services.cabinet.api.models import Plan, PlanPage

router = APIRouter(tags=["planned"])
TENANTS = (Role.PARTNER, Role.DISTRIBUTOR)


@router.get("/planned", operation_id="listPlanned", summary="Commands that are sent later")
async def list_planned(
    request: Request, principal: Annotated[Principal, allowed(*TENANTS, scope=Scope.READ)]
) -> PlanPage:
    """Those of your organisation: by programs, and from the pages in the seconds in which they can be undone."""
    async with web(request).database.rows(principal) as rows:
        return PlanPage(items=[_out(each) for each in await store.of_owner(rows, principal)])


@router.get("/planned/{plan_id}", operation_id="getPlanned", summary="One of them")
async def get_planned(
    request: Request, plan_id: UUID, principal: Annotated[Principal, allowed(*TENANTS, scope=Scope.READ)]
) -> Plan:
    """Kept for 30 days after it is over."""
    async with web(request).database.rows(principal) as rows:
        found = await store.one(rows, principal, plan_id)
    if found is None:
        raise not_found()
    return _out(found)


@router.delete("/planned/{plan_id}", operation_id="undoPlanned", summary="Never send it")
async def undo_planned(request: Request, plan_id: UUID, principal: Annotated[Principal, allowed(*TENANTS)]) -> Plan:
    """As long as it waits. Called again it is answered alike. Needs the right to send what is undone: `submit` of a
    partner, `confirm` of a distributor."""
    if {Role.PARTNER: Scope.SUBMIT, Role.DISTRIBUTOR: Scope.CONFIRM}[principal.role] not in principal.scopes:
        raise not_found()
    async with web(request).database.rows(principal) as rows:
        await store.undo(rows, principal, plan_id)
        found = await store.one(rows, principal, plan_id)
    if found is None:
        raise not_found()
    if found.state != "undone":
        raise problem(409, "conflict", "Отменить уже нельзя: команда ушла.")
    return _out(found)


def _out(plan: PlannedCommand) -> Plan:
    return Plan(
        plan_id=plan.plan_id, title=plan.title, request_ids=list(plan.subjects), not_before=plan.not_before,
        state=plan.state, finished_at=plan.finished_at, outcome=plan.outcome,
    )  # fmt: skip
