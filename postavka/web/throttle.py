"""The limits to how often something may be tried: sign-ins, public activations, calls of the API.

Failed sign-ins are counted in four places. One address, by browsers that the account isn't known in: against guessing
at many accounts. One account from one address, by such browsers: a stranger who uses it up has locked out nobody
elsewhere. One account from such browsers anywhere, ten times as many: against guessing at it from many addresses. One
known browser (its cookie): so that not even many strangers lock the account's owner out of the browser it signs in with
(OWASP's device cookies).

An address of IPv6 counts as its /64: that is what one connection to the internet is given.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from limits.storage import storage_from_string

from postavka.web.settings import WebSettings


class TooMany(Exception):
    """There were too many attempts: not now. `seconds` until it may be tried again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


@dataclass(slots=True)
class Attempt:
    """One attempt to sign in. `fits`: the password was right; None: it was not looked at."""

    fits: bool | None = None


class Throttle:
    """Counters of one storage."""

    def __init__(self, config: WebSettings) -> None:
        uri = config.limits_storage.get_secret_value()
        storage = storage_from_string(uri if uri.startswith("async+") else f"async+{uri}")
        self._limiter = MovingWindowRateLimiter(storage)
        minutes = config.failures_minutes
        self._account = RateLimitItemPerMinute(config.failures_per_account, minutes, namespace="account")
        self._anywhere = RateLimitItemPerMinute(10 * config.failures_per_account, minutes, namespace="anywhere")
        self._device = RateLimitItemPerMinute(config.failures_per_device, minutes, namespace="device")
        self._address = RateLimitItemPerMinute(config.failures_per_address, minutes, namespace="address")
        self._activation = RateLimitItemPerMinute(config.activations_per_address, 15, namespace="activation")
        self._number = RateLimitItemPerMinute(config.activations_per_number, 60, namespace="number")
        self._calls = RateLimitItemPerMinute(config.calls_per_minute, 1, namespace="calls")
        self._volumes = FixedWindowRateLimiter(storage)  # a moving window remembers every single byte
        self._volume = RateLimitItemPerDay(config.tenant_bytes_per_day, 1, namespace="volume")
        self._under_way: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def sign_in(self, login: str, address: str, device: str | None) -> AsyncIterator[Attempt]:
        """While a password is looked at; say in `Attempt.fits` what came of it. `device`: the cookie of a browser that
        this account is known in: what others do from its address is not its fault. Raises `TooMany`, whether or not the
        account exists."""
        place, attempt = network(address), Attempt()
        if device is None:
            await self._reserve(place)
        try:
            counters = self._counters(login, place, device)
            for item, key in counters:
                if not await self._limiter.hit(item, key):
                    raise await self._too_many(item, key)
            yield attempt
            if attempt.fits:  # what was counted for this browser, or for the account here, is forgotten
                await self._limiter.clear(*counters[0])
            elif attempt.fits is False and device is None:
                await self._limiter.hit(self._address, place)
        finally:
            if device is None:
                self._give_back(place)

    async def _reserve(self, place: str) -> None:
        """Tries that are under way count as failures until it is known: many at once are no more than one by one."""
        async with self._turn:
            window = await self._limiter.get_window_stats(self._address, place)
            if window.remaining <= self._under_way[place]:
                raise await self._too_many(self._address, place)
            self._under_way[place] += 1

    def _give_back(self, place: str) -> None:
        self._under_way[place] -= 1
        if not self._under_way[place]:
            del self._under_way[place]

    async def activation(self, address: str, number: str) -> None:
        """Count a visitor's code for a registration number, before it is looked at. Raises `TooMany`."""
        for item, key in ((self._activation, network(address)), (self._number, number[:100])):
            if not await self._limiter.hit(item, key):
                raise await self._too_many(item, key)

    async def keep(self, owner: str, size: int) -> None:
        """Count the bytes of a tenant before they go to the log, which keeps them for ever. Raises `TooMany`."""
        if not await self._volumes.test(self._volume, owner, cost=size):
            window = await self._volumes.get_window_stats(self._volume, owner)
            raise TooMany(max(1, math.ceil(window.reset_time - time.time())))
        await self._volumes.hit(self._volume, owner, cost=size)

    async def call(self, owner: str) -> None:
        """Count a call of the API, before it is carried out. Raises `TooMany`."""
        if not await self._limiter.hit(self._calls, owner):
            raise await self._too_many(self._calls, owner)

    def _counters(self, login: str, place: str, device: str | None) -> list[tuple[RateLimitItem, str]]:
        if device is None:
            return [(self._account, f"{place} {login[:200]}"), (self._anywhere, login[:200])]
        return [(self._device, hashlib.sha256(device.encode()).hexdigest())]

    async def _too_many(self, item: RateLimitItem, key: str) -> TooMany:
        window = await self._limiter.get_window_stats(item, key)
        return TooMany(max(1, math.ceil(window.reset_time - time.time())))


def network(address: str) -> str:
    """The network whose attempts count together: IPv4 as it is, IPv6 by its /64; what is no address stays as it is."""
    try:
        known = ip_address(address)
    except ValueError:
        return address[:100]
    known = known.ipv4_mapped or known if isinstance(known, IPv6Address) else known
    return str(IPv6Network((known, 64), strict=False)) if isinstance(known, IPv6Address) else str(known)
