"""How often something may be tried: sign-ins, public activations, calls of the API.

Failed sign-ins are counted in four places. One address: against guessing at many accounts. One account from one
address, by browsers that it isn't known in: a stranger who uses it up has locked out nobody elsewhere. One account from
such browsers anywhere, ten times as many: against guessing at it from many addresses. One known browser (its cookie):
so that not even many strangers lock the account's owner out of the browser it signs in with (OWASP's device cookies).

An address of IPv6 counts as its /64: that is what one connection to the internet is given.
"""

from __future__ import annotations

import hashlib
import math
import time
from ipaddress import IPv6Address, IPv6Network, ip_address

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from postavka.web.settings import WebSettings


class TooMany(Exception):
    """Not now. `seconds` until it may be tried again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


class Throttle:
    """Counters of one storage."""

    def __init__(self, config: WebSettings) -> None:
        uri = config.limits_storage
        storage = storage_from_string(uri if uri.startswith("async+") else f"async+{uri}")
        self._limiter = MovingWindowRateLimiter(storage)
        minutes = config.failures_minutes
        self._account = RateLimitItemPerMinute(config.failures_per_account, minutes, namespace="account")
        self._anywhere = RateLimitItemPerMinute(10 * config.failures_per_account, minutes, namespace="anywhere")
        self._device = RateLimitItemPerMinute(config.failures_per_device, minutes, namespace="device")
        self._address = RateLimitItemPerMinute(config.failures_per_address, minutes, namespace="address")
        self._activation = RateLimitItemPerMinute(config.activations_per_address, 15, namespace="activation")
        self._calls = RateLimitItemPerMinute(config.calls_per_minute, 1, namespace="calls")

    async def sign_in(self, login: str, address: str, device: str | None) -> None:
        """Before a password is looked at. `device`: the cookie of a browser that this account is known in. Raises
        `TooMany`, whether or not the account exists."""
        place = network(address)
        if not await self._limiter.test(self._address, place):
            raise await self._too_many(self._address, place)
        for item, key in self._counters(login, place, device):
            if not await self._limiter.hit(item, key):
                raise await self._too_many(item, key)

    async def sign_in_failed(self, address: str) -> None:
        """The password was wrong."""
        await self._limiter.hit(self._address, network(address))

    async def signed_in(self, login: str, address: str, device: str | None) -> None:
        """The password was right: what was counted for this browser, or for the account here, is forgotten."""
        await self._limiter.clear(*self._counters(login, network(address), device)[0])

    async def activation(self, address: str) -> None:
        """Before a visitor's code is looked at. Raises `TooMany`."""
        if not await self._limiter.hit(self._activation, network(address)):
            raise await self._too_many(self._activation, network(address))

    async def call(self, owner: str) -> None:
        """Before a call of the API. Raises `TooMany`."""
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
    """Whose address it is: IPv4 as it is, IPv6 by its /64; what is no address stays as it is."""
    try:
        known = ip_address(address)
    except ValueError:
        return address[:100]
    known = known.ipv4_mapped or known if isinstance(known, IPv6Address) else known
    return str(IPv6Network((known, 64), strict=False)) if isinstance(known, IPv6Address) else str(known)
