"""The letter that a webhook was switched off, to those who get the letters of its tenant."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from postavka.kernel.settings import Settings
from services.notices.announcement import announce
from services.notices.categories import Audience, Category
from services.notices.texts import Worded

WHY = {
    "failures": "Ваш сервер долго не принимал события: ни одно не доставлено за трое суток подряд.",
    "gone": "Ваш сервер ответил 410: события ему больше не нужны.",
}


def tell_switched_off(
    config: Settings,
    partner_id: str | None,
    distributor_id: str | None,
    webhook_id: UUID,
    url: str,
    why: str,
    since: datetime,
) -> None:
    """Write it down for the sender of e-mail: once for the failures that began at `since`. What stands behind `?` in
    the address may be a key of the receiver's, and stays out. Raises `psycopg.Error`."""
    worded = Worded(
        "Вебхук отключён",
        (
            f"Мы перестали отправлять события на адрес {url.partition('?')[0]}. {WHY[why]}",
            "События не потеряны: они остаются в вашей ленте. Когда сервер заработает, включите вебхук на портале, "
            "и всё, что ждёт, придёт по порядку.",
        ),
        action="Открыть вебхук",
        path=f"/webhooks/{webhook_id}",
    )
    party = Audience.PARTNER if partner_id is not None else Audience.DISTRIBUTOR
    announce(
        config,
        party,
        partner_id or distributor_id or "",
        Category.WEBHOOK,
        worded,
        f"webhook/{webhook_id}/{since:%Y-%m-%dT%H:%M:%S}",
    )
