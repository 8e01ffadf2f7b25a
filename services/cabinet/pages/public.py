"""Pages without an account: activation by the user itself (L19), and help."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from events.request import REQUEST_TYPE
from postavka.domain.request_rules import shortcoming
from postavka.domain.wording import REQUEST_TYPES
from postavka.kernel.ids import new_id
from postavka.web.authorization import ANYBODY
from postavka.web.formats import plural
from postavka.web.frame import show
from postavka.web.identity.principal import Principal
from postavka.web.problem import Problem
from postavka.web.rendering import page
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet import acts
from services.cabinet.view.form import is_request_id

router = APIRouter(include_in_schema=False)
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
    activation_id = given if is_request_id(given) else str(new_id())
    errors = {}
    if wrong := shortcoming("registration_number", number):
        errors["registration_number"] = wrong
    if not acts.plain_code(code):
        errors["code"] = "Введите код активации из вашей поставки."
    if errors:
        return _page(request, 422, errors=errors, registration_number=number, code=code, activation_id=activation_id)
    parts, address = web(request), visitor_of(request).address
    await parts.throttle.activation(address, number)
    typed = {"registration_number": number, "code": code}
    try:
        outcome = await acts.activate_by_code(parts, number, code, activation_id, address)
    except Problem as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return _page(request, 422, refusal=NO_SUCH, **typed)
    match outcome.activated:
        case True:
            return _page(request, active=outcome)
        case False:
            return _page(request, 409, refusal=outcome.message, **typed)
        case None:
            return _page(
                request, 503, activation_id=activation_id, **typed,
                refusal="Ответ задерживается. Нажмите «Активировать» ещё раз через минуту: второй попытки не будет.",
            )  # fmt: skip


@router.get("/help")
async def help_page(request: Request, principal: Annotated[Principal | None, ANYBODY]) -> Response:
    """How it goes, and whom to ask."""
    seconds = plural(round(web(request).config.undo_seconds), "секунда", "секунды", "секунд")
    said: dict[str, Any] = {"request_type": REQUEST_TYPES[REQUEST_TYPE], "undo_seconds": seconds}
    if principal is None:
        return page(request, "help.html", **said)
    return await show(request, principal, "help.html", **said)


def _page(request: Request, status: int = 200, **values: Any) -> Response:
    empty: dict[str, Any] = {"errors": {}, "registration_number": "", "code": "", "refusal": "", "active": None}
    return page(request, "activate.html", status, **{**empty, "activation_id": str(new_id()), **values})
