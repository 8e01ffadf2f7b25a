"""Where webhooks may go: to public addresses, and to networks that the operator names.

A name is resolved once, and the connection goes to the address that was looked at: a name that says something else a
moment later leads nowhere else. Redirects are not followed, so nothing is reached that was not looked at.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

LONGEST_URL = 500
Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]
NAT64 = ip_network("64:ff9b::/96")
"""Addresses of IPv4 in IPv6 (RFC 6052): they are what is in them."""
GLOBAL_UNICAST = ip_network("2000::/3")
"""Of IPv6 no other address is anybody's in the internet."""
NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
"""A host's name: so plain that no two readers of an address take another part of it for the host."""
NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
"""What resolvers read as an address of IPv4, however it is spelled: `2130706433`, `0x7f.1`, `0177.0.0.1`."""


class AddressRefused(Exception):
    """A webhook may not go there. The sentence is for people, in Russian."""


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a webhook's address that a connection needs."""

    host: str
    port: int
    secure: bool


def target_of(url: str, networks: Networks) -> Target:
    """The target of an address as it was typed. Raises `AddressRefused`. Of a host that is an address by itself it is
    said at once whether we go there; of a name only when it is resolved."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused(f"Адрес — до {LONGEST_URL} латинских знаков без пробелов; домен .рф пишется как xn--….")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("Это не адрес.") from None
    if parts.scheme not in ("https", "http") or not host:
        raise AddressRefused("Нужен адрес вида https://…")
    if parts.scheme == "http" and not networks:
        raise AddressRefused("Нужен адрес https: по http события прочёл бы любой по дороге.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise AddressRefused("В адресе не должно быть имени, пароля и части после #.")
    target = Target(host, port or (443 if parts.scheme == "https" else 80), parts.scheme == "https")
    try:
        literal = ip_address(host)
    except ValueError:
        if NUMBER.fullmatch(host) or not NAME.fullmatch(host):
            raise AddressRefused("Это не имя сервера и не адрес вида 203.0.113.7.") from None
        return target
    _check(literal, target, networks)
    return target


async def addresses_of(target: Target, networks: Networks) -> list[str]:
    """The addresses of a target, looked up once; all must be allowed. Raises `AddressRefused`, `OSError`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for each in addresses:
        _check(ip_address(each.partition("%")[0]), target, networks)
    if not addresses:
        raise OSError(f"{target.host} has no address")
    return addresses


def is_public(address: Address) -> bool:
    """Whether an address is anybody's in the internet: no loopback, private, link-local or multicast one, also not as
    an address of IPv4 within one of IPv6."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _check(address: Address, target: Target, networks: Networks) -> None:
    plain = _inner(address) or address
    if any(plain in network for network in networks if network.version == plain.version):
        return
    if not target.secure:
        raise AddressRefused("По http можно только в сети, которые назвал оператор.")
    if not is_public(address):
        raise AddressRefused(f"{target.host}: это не адрес в интернете, туда вебхуки не ходят.")


def _inner(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
