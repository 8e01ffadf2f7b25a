"""One delivery over the wire: bounded in time and size, without redirects, to an address that was looked at."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from services.webhooks.addresses import Target

MOST_SAID = 300
"""Bytes of an answer that are read at all."""


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """What came of one try. `status` None: nothing was answered, and `said` is why."""

    status: int | None
    said: str
    took_ms: int

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has taken the event."""
        return self.status is not None and 200 <= self.status < 300


class _Looked(AbstractResolver):
    """Gives the addresses that were looked at, and asks nobody."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=each, port=port, family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                proto=0, flags=socket.AI_NUMERICHOST,
            )
            for each in self._addresses
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is open."""


async def post(
    url: str, target: Target, addresses: Sequence[str], headers: Mapping[str, str], body: bytes, seconds: float
) -> PostAnswer:
    """Post a body to an address; whatever goes wrong is in the answer. A status is an answer, whatever follows it; of a
    receiver that speaks no HTTP nothing is kept, for it may say again what it was sent."""
    began, status = time.monotonic(), None

    def answer(said: str) -> PostAnswer:
        return PostAnswer(status, said, round((time.monotonic() - began) * 1000))

    connector = TCPConnector(
        resolver=_Looked(addresses), use_dns_cache=False, ssl=trusted() if target.secure else False
    )
    try:
        async with (
            asyncio.timeout(seconds),
            ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            status = response.status
            said = await response.content.read(MOST_SAID)
            return answer(said.decode("utf-8", "replace").replace("\x00", ""))
    except TimeoutError:
        return answer("" if status else f"нет ответа за {seconds:g} с")
    except OSError as wrong:
        return answer("" if status else f"нет соединения: {wrong}"[:MOST_SAID])
    except (ClientError, ValueError):
        return answer("" if status else "ответ не по HTTP")


@cache
def trusted() -> ssl.SSLContext:
    """The authorities that the machine trusts, read once: that takes longer than a post."""
    return ssl.create_default_context()
