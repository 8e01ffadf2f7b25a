"""Pages without an account: activation by the user itself (L19), and help."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response

from events.activation import Activator
from events.checks import is_registration_number
from events.commands import ActivateDelivery
from services.accounts.principal import Principal
from services.cabinet.web.access import ANYBODY
from services.cabinet.web.app_state import Web, web
from services.cabinet.web.pages.frame import show
from services.cabinet.web.rendering import page
from services.cabinet.web.view.form import is_request_id
from services.cabinet.web.visitor import visitor_of

router = APIRouter(include_in_schema=False)
ANSWER_SECONDS = 5.0
LONGEST_CODE = 100
NO_SUCH = "Проверьте регистрационный номер и код: вместе они не подходят ни к одной проданной поставке."


@router.get("/activate")
async def activation_page(request: Request, _: Annotated[Principal | None, ANYBODY]) -> Response:
    """The form for the user of the service."""
    return _page(request)


@router.post("/activate")
async def activate(request: Request, _: Annotated[Principal | None, ANYBODY]) -> Response:
    """Registration number and the code of the kit open the delivery. A stranger learns nothing but that they don't."""
    form = await request.form()
    number = "".join(str(form.get("registration_number", "")).split())
    code = str(form.get("code", "")).strip()[:LONGEST_CODE]
    given = str(form.get("activation_id", ""))
    activation_id = given if is_request_id(given) else str(uuid4())
    errors = {}
    if not is_registration_number(number):
        errors["registration_number"] = "Регистрационный номер состоит из 7–10 цифр."
    if not _plain(code):
        errors["code"] = "Введите код активации из вашей поставки."
    if errors:
        return _page(request, 422, errors=errors, registration_number=number, code=code, activation_id=activation_id)
    parts = web(request)
    await parts.throttle.activation(visitor_of(request).address)
    typed = {"registration_number": number, "code": code}
    sold = await _find(parts, number, code)
    if sold is None:
        return _page(request, 422, refusal=NO_SUCH, **typed)
    if not _is_active(sold):
        await parts.commands.activate(
            ActivateDelivery(
                request_id=sold["request_id"],
                activation_id=activation_id,
                activated_by=Activator.USER,
                actor="user",
                code=code,
            )
        )
        sold = await _answered(parts, sold["request_id"], number, code, activation_id, visitor_of(request).address)
        if sold is None:
            return _page(
                request, 503, activation_id=activation_id, **typed,
                refusal="Ответ задерживается. Нажмите «Активировать» ещё раз через минуту: второй попытки не будет.",
            )  # fmt: skip
    if _is_active(sold):
        return _page(request, active={**sold["activation"], "product": sold["product"]})
    return _page(request, 409, refusal=_refusal(sold, activation_id), **typed)


@router.get("/help")
async def help_page(request: Request, principal: Annotated[Principal | None, ANYBODY]) -> Response:
    """How it goes, and whom to ask."""
    return await show(request, principal, "help.html") if principal else page(request, "help.html")


def _page(request: Request, status: int = 200, **values: Any) -> Response:
    empty: dict[str, Any] = {"errors": {}, "registration_number": "", "code": "", "refusal": "", "active": None}
    return page(request, "activate.html", status, **{**empty, "activation_id": str(uuid4()), **values})


async def _answered(
    parts: Web, request_id: UUID, number: str, code: str, activation_id: str, address: str
) -> Mapping[str, Any] | None:
    """The delivery once this try has been decided on; None when that takes too long."""
    until = time.monotonic() + ANSWER_SECONDS
    with parts.live.subscription(str(request_id), f"visitor:{address}") as changed:
        while (left := until - time.monotonic()) > 0:
            sold = await _find(parts, number, code)
            if sold is not None and (_is_active(sold) or _refusal(sold, activation_id)):
                return sold
            await parts.live.wait(changed, min(left, 0.5))
    return None


async def _find(parts: Web, number: str, code: str) -> Mapping[str, Any] | None:
    async with parts.database.nobody() as rows:
        found = await rows.execute(
            "SELECT request_id, code, product, status, activation FROM cabinet.sold_under(%s)", (number,)
        )
        fitting = [
            {"request_id": each[0], "product": each[2], "activation": each[4] or {}}
            for each in await found.fetchall()
            if hmac.compare_digest(_plain(each[1] or "").encode(), _plain(code).encode())
        ]
    return fitting[0] if fitting else None


def _is_active(sold: Mapping[str, Any]) -> bool:
    return "activated_at" in sold["activation"]


def _refusal(sold: Mapping[str, Any], activation_id: str) -> str:
    refusals = sold["activation"].get("refusals", ())
    return next((each["reason"]["message"] for each in refusals if each["activation_id"] == activation_id), "")


def _plain(code: str) -> str:
    return "".join(each for each in code.upper() if each.isalnum())
