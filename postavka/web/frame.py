"""The frame of every page of the cabinet: the organisation, what waits for the reader, a word on what was just done."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse

from postavka.domain.reference.store import Snapshot, current
from postavka.web.identity.principal import Principal, Role
from postavka.web.rendering import page
from postavka.web.state import web

DONE = {
    "already": "Эта заявка уже отправлена: вторая не понадобилась. Для новой нажмите «Скопировать в новую».",
    "too-late": "Отменить уже нельзя: команда ушла. Что из неё вышло, видно в «Отложенных командах».",
    "not-waiting": "На эти заявки уже ответили, или их отозвали: ничего не отправлено.",
    "nothing-chosen": "Сначала отметьте заявки, на которые отвечаете.",
    "no-service-chosen": "Сначала отметьте сервисы, которые продлеваете.",
    "no-such-day": "Выберите день отправки: с завтрашнего и не дальше года.",
    "nothing-to-renew": "Продлевать нечего: эти сервисы уже продлеваются, или их заявки надо поправить. Откройте их по "
    "одной.",
    "draft": "Черновик сохранён: он в списке заявок, на любом вашем компьютере.",
    "signature": "Подпись отправлена на проверку. Ответ появится на этой странице.",
    "session-ended": "Сеанс завершён.",
    "password": "Пароль изменён. Другие сеансы завершены.",
    "view-saved": "Отбор сохранён: он стоит над списком.",
    "view-removed": "Отбор удалён.",
    "view-unnamed": "Выберите, что отобрать, и назовите отбор.",
    "too-many-views": "Для одного списка хранится не больше двадцати отборов. Удалите лишний.",
    "token-revoked": "Токен отозван: программы с ним больше не войдут.",
    "webhook-again": "Событие уйдёт ещё раз, с тем же webhook-id.",
    "webhook-replay": "События с этого места уйдут снова, по порядку.",
    "webhook-secret": "Секрет сменён. Прежний ещё сутки подписывает вместе с новым.",
    "webhook-removed": "Вебхук удалён.",
}
"""By the code in the address, so that no text comes from there."""
ROLES = {
    Role.PARTNER: "Партнёр",
    Role.DISTRIBUTOR: "Дистрибьютор",
    Role.OPS: "Операции",
    Role.AUDITOR: "Аудитор",
}


async def reference(request: Request) -> Snapshot:
    """The newest reference data."""
    return await asyncio.to_thread(current, web(request).conninfo)


def organisation(known: Snapshot, principal: Principal) -> str:
    """The name of the organisation that the reader works for."""
    partner = known.partners.get(principal.partner_id or "")
    distributor = known.distributors.get(principal.distributor_id or "")
    return partner.partner.name if partner else distributor.name if distributor else ROLES[principal.role]


async def show(
    request: Request,
    principal: Principal,
    template: str,
    status: int = 200,
    *,
    known: Snapshot | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page for somebody who is signed in."""
    known = known or await reference(request)
    return page(
        request, template, status,
        organisation=organisation(known, principal),
        toast=DONE.get(request.query_params.get("done", ""), ""),
        **values,
    )  # fmt: skip
