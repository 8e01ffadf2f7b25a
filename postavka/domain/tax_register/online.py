"""An online service that speaks DaData's `findById/party`, asked with patience that has an end (L10).

What it answers is somebody else's input: it is bounded in size and shape, must be about the number that was asked, and
becomes a `RegisteredCompany` field by field. It never decides where a request goes: redirects are not followed.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Annotated, Any, Literal, Self

import httpx2
import stamina
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from pydantic import BaseModel, BeforeValidator, ValidationError

from events.checks import PERSON_INN, is_kpp
from postavka.domain.calendar import MOSCOW, today
from postavka.domain.tax_register.company import Branch, CompanyKind, CompanyStanding, NotAnswering, RegisteredCompany
from postavka.domain.tax_register.settings import TaxSettings
from postavka.kernel.process.logs import logger

log = logger(__name__)

SOURCE = "ФНС, через DaData"
LONGEST_ANSWER = 1 << 20
"""Bytes. 300 branches are about half of it."""
MOST_BRANCHES = 300
LONGEST_TEXT = 500
_SPACES = re.compile(r"\s+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


class _Busy(Exception):
    """The service is worth another attempt: overloaded, broken, too slow."""


class _Senseless(Exception):
    """The service is not worth another attempt: refused, or an answer that makes no sense."""


def _cleaned(value: object) -> object:
    """Text from outside for a page: no control or direction characters, bounded."""
    if not isinstance(value, str):
        return value
    return _SPACES.sub(" ", _UNPRINTABLE.sub(" ", value)).strip()[:LONGEST_TEXT]


_Text = Annotated[str, BeforeValidator(_cleaned)]


class _Name(BaseModel):
    full_with_opf: _Text | None = None
    short_with_opf: _Text | None = None


class _State(BaseModel):
    status: str | None = None
    actuality_date: int | None = None
    """Milliseconds since 1970."""


class _Address(BaseModel):
    value: _Text | None = None


class _Party(BaseModel):
    inn: str
    kpp: str | None = None
    type: Literal["LEGAL", "INDIVIDUAL"]
    branch_type: str | None = None
    name: _Name
    state: _State = _State()
    address: _Address | None = None


class _Suggestion(BaseModel):
    data: _Party


class _Answer(BaseModel):
    suggestions: list[_Suggestion]


class OnlineRegister:
    """A `TaxRegister` that asks a service over HTTP."""

    def __init__(self, config: TaxSettings) -> None:
        self._config = config
        token = config.token.get_secret_value() if config.token else ""
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Token {token}", "Accept": "application/json"},
            timeout=httpx2.Timeout(config.attempt_seconds, connect=config.connect_seconds),
            follow_redirects=False,
            trust_env=False,
            proxy=str(config.proxy) if config.proxy else None,
        )
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=config.failures_until_open,
            default_ttl=config.open_seconds,
            exclude=[asyncio.CancelledError],
        )

    async def find(self, inn: str) -> RegisteredCompany | None:
        """Answers as `TaxRegister.find` says. After several failures in a row the service is left alone for a while."""
        try:
            async with await self._breakers.get_breaker("tax"), asyncio.timeout(self._config.answer_seconds):
                return await self._find(inn)
        except OpenedState as left_alone:
            raise NotAnswering("left alone for a while after several failures in a row") from left_alone
        except (TimeoutError, _Busy, _Senseless) as wrong:
            reason = str(wrong) or f"no answer within {self._config.answer_seconds} s"
            log.warning("the tax service does not answer", reason=reason)
            raise NotAnswering(reason) from wrong

    async def close(self) -> None:
        """Give up connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _find(self, inn: str) -> RegisteredCompany | None:
        async for attempt in stamina.retry_context(
            on=_Busy,
            attempts=self._config.attempts,
            timeout=self._config.answer_seconds,
            wait_initial=0.1,
            wait_max=0.5,
            wait_jitter=0.2,
        ):
            with attempt:
                return understood(inn, await self._ask(inn))
        raise AssertionError  # pragma: no cover - the loop returns or raises

    async def _ask(self, inn: str) -> bytes:
        try:
            async with (
                asyncio.timeout(self._config.attempt_seconds),
                self._client.stream(
                    "POST", str(self._config.url), json={"query": inn, "count": MOST_BRANCHES}
                ) as response,
            ):
                if response.status_code == 429 or response.status_code >= 500:
                    raise _Busy(f"status {response.status_code}")
                if response.status_code != 200:
                    raise _Senseless(f"status {response.status_code}")
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > LONGEST_ANSWER:
                        raise _Senseless(f"an answer of more than {LONGEST_ANSWER} bytes")
                return bytes(body)
        except TimeoutError as slow:
            raise _Busy(f"no answer within {self._config.attempt_seconds} s") from slow
        except httpx2.DecodingError as garbled:
            raise _Senseless("an answer that can't be decompressed") from garbled
        except httpx2.TransportError as broken:
            raise _Busy(type(broken).__name__) from broken


def understood(inn: str, body: bytes) -> RegisteredCompany | None:
    """The company in an answer; None if there is none in it. Raises when it makes no sense."""
    try:
        parties = [each.data for each in _Answer.model_validate_json(body).suggestions[:MOST_BRANCHES]]
    except ValidationError as wrong:
        fields = sorted({".".join(str(step) for step in each["loc"]) for each in wrong.errors()})
        raise _Senseless(f"an answer of another shape: {', '.join(fields[:5]) or 'the whole'}") from None
    if not parties:
        return None
    # The head office first: it names the company. One that is closed is listed after those that are open.
    parties.sort(key=lambda each: (each.branch_type == "BRANCH", _standing(each) is CompanyStanding.LIQUIDATED))
    head = parties[0]
    person = len(inn) == PERSON_INN
    if any(each.inn != inn for each in parties) or person != (head.type == "INDIVIDUAL"):
        raise _Senseless("an answer about another number than was asked")
    name = head.name.short_with_opf or head.name.full_with_opf
    branches = () if person else tuple(_branches(parties))
    if not name or not (person or branches):
        raise _Senseless("an answer without a name or a KPP")
    return RegisteredCompany(
        inn=inn,
        kind=CompanyKind.SOLE_TRADER if person else CompanyKind.ORGANISATION,
        name=name,
        standing=_standing(head),
        branches=branches,
        source=SOURCE,
        as_of=_day(head.state.actuality_date),
    )


def _branches(parties: list[_Party]) -> list[Branch]:
    found: dict[str, Branch] = {}
    for number, each in enumerate(parties):
        closed = number > 0 and _standing(each) is CompanyStanding.LIQUIDATED
        if each.kpp is None or not is_kpp(each.kpp) or closed:
            continue
        name = each.name.short_with_opf or each.name.full_with_opf or ""
        address = each.address.value if each.address else None
        found.setdefault(each.kpp, Branch(each.kpp, name, address or None, each.branch_type != "BRANCH"))
    return list(found.values())


def _standing(party: _Party) -> CompanyStanding:
    try:
        return CompanyStanding((party.state.status or "").lower())
    except ValueError:
        return CompanyStanding.UNKNOWN


def _day(milliseconds: Any) -> date:
    """The day of the source's data; today where it names none that can be true."""
    try:
        day = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(MOSCOW).date()
    except (TypeError, ValueError, OverflowError, OSError):
        return today()
    return day if date(2002, 7, 1) <= day <= today() else today()
