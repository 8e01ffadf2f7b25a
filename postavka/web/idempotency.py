"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a call that is repeated is carried out once.

Keys belong to who calls. A repetition gets the first answer; while the first is under way 409, with another content
422, without a key 400. What is sent to Kafka has ids made from the key, so that even a call that ended in the middle,
and is made again after its answer was lost, has one effect.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated
from uuid import UUID, uuid5

from fastapi import Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from postavka.kernel.store.queries import load_queries
from postavka.web.identity.principal import Principal
from postavka.web.problem import problem
from postavka.web.state import web

QUERIES = load_queries("postavka.web")

NAMESPACE = UUID("5e0f6c1e-62a4-5f6a-8b0e-0a4f7f4f1d3c")
LONGEST_KEY = 100
UNDER_WAY = timedelta(seconds=60)
"""After this a call without an answer is taken for dead, and its repetition is carried out."""
KEEP = timedelta(days=30)
_KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]+)"')
"""A string of RFC 8941: always in quotes."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Made by the caller, one for each act; the same again when the call is repeated. A quoted string.",
        examples=['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ),
]

Act = Callable[[str], Awaitable[tuple[int, BaseModel]]]


def key_of(header: str | None) -> str:
    """The key in the header. Raises 400."""
    if header is None or not header.strip():
        raise problem(400, "idempotency-key-missing", 'Добавьте заголовок: Idempotency-Key: "<уникальная строка>".')
    found = _KEY.fullmatch(header.strip())
    key = found[1] if found else ""
    if not 1 <= len(key) <= LONGEST_KEY:
        raise problem(400, "idempotency-key-missing", f"Ключ — строка ASCII в кавычках, от 1 до {LONGEST_KEY} знаков.")
    return key


def id_from(principal: Principal, act: str, key: str) -> UUID:
    """An id that the same caller gets for the same key again: what Kafka sees twice is one."""
    return uuid5(NAMESPACE, f"{principal.owner}|{principal.id}|{act}|{key}")


async def once(request: Request, principal: Principal, header: str | None, act: Act) -> Response:
    """Carry out `act(key)` once and answer with its status and model; again: the first answer. Raises `Problem`."""
    key = key_of(header)
    owner = f"{principal.owner}/{principal.id}"
    fingerprint = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body()).digest()
    database = web(request).database
    async with database.accounts() as rows:
        begun = await rows.execute(QUERIES.begin_answer, (owner, key, fingerprint, UNDER_WAY))
        if await begun.fetchone() is None:
            found = await rows.execute(QUERIES.answer, (owner, key))
            return _earlier(await found.fetchone(), fingerprint)
    try:
        status, model = await act(key)
    except BaseException:
        # Nothing has happened that a repetition would double: ids are made from the key.
        async with database.accounts() as rows:
            await rows.execute(QUERIES.give_up_answer, (owner, key))
        raise
    body = model.model_dump_json().encode()
    async with database.accounts() as rows:
        await rows.execute(QUERIES.finish_answer, (status, body, owner, key))
    return Response(body, status, media_type="application/json")


def _earlier(row: tuple[bytes, int | None, str, bytes] | None, fingerprint: bytes) -> Response:
    if row is None:  # it failed and was removed in this very moment
        raise problem(409, "idempotency-key-in-use", headers={"Retry-After": "1"})
    before, status, media_type, body = row
    if before != fingerprint:
        raise problem(422, "idempotency-key-reused", "Для другого запроса нужен новый ключ.")
    if status is None:
        raise problem(409, "idempotency-key-in-use", "Повторите через секунду.", headers={"Retry-After": "1"})
    return Response(body, status, {"Idempotency-Replayed": "true"}, media_type)
