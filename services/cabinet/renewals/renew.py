"""«Продлить» for many services at once: the form of each filled in and checked as if it were sent by hand (L5-L12)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from postavka.domain.reference.store import Snapshot, current
from postavka.kernel.ids import new_id
from postavka.web.formats import day, money, plural
from postavka.web.identity.principal import Principal
from postavka.web.planned.ask import CommandQuestion
from postavka.web.planned.kinds import CommandKind, CommandOutcome, Fields
from postavka.web.state import Web
from services.cabinet.bulk.judging import judge
from services.cabinet.bulk.rows import BulkRow
from services.cabinet.bulk.sending import submit_rows
from services.cabinet.renewals.ending import Ending, Endings
from services.cabinet.requests import Row
from services.cabinet.view.form import LABELS, Typed, mistakes

MOST_NAMED = 5
"""Services that a question or an answer names; the others are counted."""


@dataclass(frozen=True, slots=True)
class NotRenewable:
    """A service that can't be renewed like this, and why."""

    row: Row
    why: str

    @property
    def words(self) -> str:
        """The client and why."""
        return f"{self.row.buyer or self.row.name}: {self.why}"


def renewal_of(row: Row) -> Typed:
    """The form of the request that prolongs this one's service, with everything filled in."""
    typed = Typed.of(row.asked).renewed()
    return replace(typed, filled=typed.inn, renews=str(row.request_id))


def sort_out(found: Sequence[Ending], reference: Snapshot, partner_id: str) -> tuple[list[Row], list[NotRenewable]]:
    """Which of these can be renewed as they are, and which not: by the rules of the form, and one renewal at a time."""
    rows, refused = [], []
    for each in found:
        wrong = mistakes(renewal_of(each.row), reference, partner_id)
        if each.renewal is not None:
            refused.append(NotRenewable(each.row, f"уже продлевается заявкой {each.renewal.name}"))
        elif each.plan is not None:
            refused.append(NotRenewable(each.row, f"уже запланировано на {day(each.plan.not_before)}"))
        elif wrong:
            name, message = next(iter(wrong.items()))
            refused.append(NotRenewable(each.row, f"«{LABELS[name]}»: {message}"))
        else:
            rows.append(each.row)
    return rows, refused


def question_of_renewals(
    rows: Sequence[Row], refused: Sequence[NotRenewable], reference: Snapshot, on: date | None = None
) -> CommandQuestion:
    """A partner renews these services, now or `on` that day; `refused` will stay as they are."""
    total = money(sum((price_of(each, reference) or Decimal(0) for each in rows), Decimal(0)))
    what = plural(len(rows), "сервис", "сервиса", "сервисов")
    points = [f"{each.buyer or each.name}: до {day(each.term['service_until'])}" for each in rows]
    left = [f"Не войдёт — {each.words}" for each in refused]
    if on is None:
        sure = "На каждый уйдёт заявка с теми же данными, по сегодняшней цене."
        return CommandQuestion(f"Продлить {what} на {total}", "Продлить", (*_some(points), sure, *_some(left)))
    late = [each for each in rows if each.term["service_until"] < on.isoformat()]
    after = [f"Закончатся раньше, и срок начнётся заново: {len(late)}"] if late else []
    sure = f"Заявки с теми же данными уйдут {day(on)} утром, по цене того дня. До тех пор это можно отменить."
    return CommandQuestion(
        f"Запланировать на {day(on)}: продлить {what} на {total}",
        "Запланировать",
        (*_some(points), sure, *after, *_some(left)),
    )


def price_of(row: Row, reference: Snapshot) -> Decimal | None:
    """Today's price of the same product; of one that is sold no more, that of the sale."""
    product_id = (row.approval.get("product") or {}).get("id") or row.asked.get("product_id") or ""
    entry = reference.products.get(product_id)
    return entry.product.price if entry else Decimal(row.amount) if row.amount else None


def renewals_of(rows: Sequence[Row]) -> Fields:
    """The fields of a plan: which services, and the ids of the requests that will prolong them."""
    return {"renewals": [{"renews": str(each.request_id), "request_id": str(new_id())} for each in rows]}


async def _renew(parts: Web, principal: Principal, fields: Fields) -> CommandOutcome:
    ids = {UUID(each["renews"]): UUID(each["request_id"]) for each in fields["renewals"]}
    async with parts.database.rows(principal) as rows:
        services = await Endings(rows, principal).chosen(list(ids))
    # The renewal may be there already, if a process died after sending it; and the plan is the one that is being sent.
    services = [
        Ending(each.row, each.renewal if each.renewal and each.renewal.request_id != ids[each.row.request_id] else None)
        for each in services
    ]
    reference = await asyncio.to_thread(current, parts.conninfo)
    able, refused = sort_out(services, reference, principal.partner_id or "")
    rows_to_send = [
        BulkRow(number, replace(renewal_of(row), request_id=str(ids[row.request_id])), despite_twins=True)
        for number, row in enumerate(able)
    ]
    judged, checks = await judge(parts, principal, rows_to_send)
    refused += [
        NotRenewable(row, why) for row, each in zip(able, judged, strict=True) for why in list(each.errors.values())[:1]
    ]
    sent = len([each for each in judged if each.already])
    async for some in submit_rows(parts, principal, [each for each in judged if each.is_ready], checks):
        sent += len(some)
    left = "; ".join(_some([each.words for each in refused]))
    not_sent = {str(ids[each.row.request_id]): each.why for each in refused}
    if not sent:
        return CommandOutcome(False, f"Ничего не отправлено. {left}", not_sent)
    outcome = f"Отправлено: {plural(sent, 'заявка', 'заявки', 'заявок')}."
    return CommandOutcome(True, outcome + (f" Не отправлено: {left}." if left else ""), not_sent)


def _some(texts: Sequence[str]) -> list[str]:
    more = len(texts) - MOST_NAMED
    return [*texts[:MOST_NAMED], f"и ещё {more}"] if more > 0 else list(texts)


RENEW = CommandKind("renew", _renew)
