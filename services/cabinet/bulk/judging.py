"""The verdict on each of many rows, by the rules that the form, the API and approval go by.

Everything is looked up once for all rows: reference data, the requests that are there, and the tax register, which is
asked about several clients at a time and for a bounded while. Where it has not answered by then, a request goes out
unchecked, as it does from the form.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from postavka.domain.calendar import today
from postavka.domain.reference.store import Snapshot, current
from postavka.web.identity.principal import Principal
from postavka.web.state import Web
from services.cabinet.bulk.rows import BulkRow, content_ids
from services.cabinet.client_check import Agreement, CheckedClient, check_client
from services.cabinet.requests import Requests, Row
from services.cabinet.twins import RUNNING, among
from services.cabinet.view.form import Typed, mistakes

REGISTER_SECONDS = 1.5
REGISTER_AT_A_TIME = 20
MOST_TWINS = 2_000
MOST_TRIES = 50
"""How many requests of the same content, one after another and all over, are looked for."""
Client = tuple[str, str, str]
Checks = Mapping[Client, CheckedClient]


async def with_ids(parts: Web, principal: Principal, rows: Sequence[BulkRow]) -> list[BulkRow]:
    """The rows of a file with the ids of their requests. A row whose request is over (rejected, declined, withdrawn, or
    its service has ended) asks for it anew."""
    day, tries = today(), dict.fromkeys((each.number for each in rows), 0)
    for _ in range(MOST_TRIES):
        found = content_ids(rows, principal.partner_id or "", tries)
        there = await _there(parts, principal, [each.request_id for each in found])
        over = [each.number for each in found if _is_over(there.get(each.request_id), day)]
        if not over:
            return found
        for number in over:
            tries[number] += 1
    return found


async def judge(parts: Web, principal: Principal, rows: Sequence[BulkRow]) -> tuple[list[BulkRow], Checks]:
    """The rows with what is wrong with each, and what the tax register says of their clients."""
    known = await asyncio.to_thread(current, parts.conninfo)
    there = await _there(parts, principal, [each.request_id for each in rows])
    judged = [
        _by_rules(each, known, principal.partner_id or "", _is_there(parts, principal, there, each)) for each in rows
    ]
    checks = await _checks(parts, [each.typed for each in judged if each.is_ready])
    running = await _running(parts, principal, [each for each in judged if each.is_ready and not each.despite_twins])
    first: dict[tuple[str, ...], int] = {}
    day = today()
    return [_in_doubt(each, checks, running, first, day) for each in judged], checks


def client_of(typed: Typed) -> Client:
    """What the tax register is asked about."""
    return typed.inn, typed.buyer, typed.kpp


async def _there(parts: Web, principal: Principal, request_ids: Sequence[UUID]) -> dict[UUID, Row]:
    async with parts.database.rows(principal) as rows:
        return {each.request_id: each for each in await Requests(rows, principal).several(request_ids)}


def _is_there(parts: Web, principal: Principal, there: Mapping[UUID, Row], row: BulkRow) -> bool:
    return row.request_id in there or parts.recently.knows(principal.owner, row.request_id)


def _is_over(row: Row | None, day: date) -> bool:
    if row is None:
        return False
    until = row.activation.get("service_until")
    return row.has_ended or (until is not None and date.fromisoformat(until) < day)


def _by_rules(row: BulkRow, known: Snapshot, partner_id: str, is_there: bool) -> BulkRow:
    product = known.products.get(row.typed.product_id)
    price = str(product.product.price) if product else ""
    errors = {} if is_there else mistakes(row.typed, known, partner_id)
    return replace(row, errors=errors, anyway_helps=False, already=is_there, price=price)


def _in_doubt(
    row: BulkRow,
    checks: Checks,
    running: Mapping[str, Sequence[Row]],
    first: dict[tuple[str, ...], int],
    day: date,
) -> BulkRow:
    """The row with the doubts that hold it back, unless who sends it is sure."""
    if not row.is_ready:
        return row
    typed = row.typed
    errors: dict[str, str] = {}
    checked = checks[client_of(typed)]
    if checked.agreement in (Agreement.OTHER, Agreement.NOBODY) and not row.as_typed:
        errors |= dict.fromkeys(checked.fields[:1], checked.in_words(typed.inn))
    same = first.setdefault((typed.registration_number, typed.product_id, typed.inn), row.number)
    if not row.despite_twins:
        twins = list(among(running.get(typed.registration_number, ()), typed, day))
        if twins:
            errors[""] = twins[0].words
        elif same != row.number:
            errors[""] = f"То же, что в строке {same}."
    return replace(row, errors=errors, anyway_helps=bool(errors))


async def _running(parts: Web, principal: Principal, rows: Sequence[BulkRow]) -> dict[str, list[Row]]:
    """Requests that are open or whose service runs, by registration number."""
    numbers = {each.typed.registration_number for each in rows}
    found: dict[str, list[Row]] = defaultdict(list)
    if numbers:
        async with parts.database.rows(principal) as reading:
            for each in await Requests(reading, principal).running_under(sorted(numbers), RUNNING, MOST_TWINS):
                found[each.asked.get("registration_number") or ""].append(each)
    return found


async def _checks(parts: Web, typed: Sequence[Typed]) -> dict[Client, CheckedClient]:
    """What the tax register says of each client."""
    until = asyncio.get_running_loop().time() + REGISTER_SECONDS
    at_a_time = asyncio.Semaphore(REGISTER_AT_A_TIME)

    async def one(client: Client) -> CheckedClient:
        inn, name, kpp = client
        try:
            async with asyncio.timeout_at(until), at_a_time:
                return await check_client(parts.register, inn, name, kpp or None)
        except TimeoutError:
            return CheckedClient(Agreement.UNCHECKED)

    clients = list({client_of(each) for each in typed})
    return dict(zip(clients, await asyncio.gather(*map(one, clients)), strict=True))
