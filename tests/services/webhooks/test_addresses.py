"""Webhooks go to public addresses and to networks that the operator names, and nowhere else."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from services.webhooks.addresses import LONGEST_URL, AddressRefused, Target, addresses_of, is_public, target_of

NAMED = (ip_network("10.7.0.0/16"), ip_network("fd00:7::/32"))
OURS = (
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",  # noqa: S104
    "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
    "::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "5f00::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1",
    "2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe",
)  # fmt: skip


@pytest.mark.parametrize("address", OURS)
def test_loopback_private_and_link_local_addresses_are_not_public(address: str):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07::1", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address: str):
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", OURS)
def test_an_address_that_is_typed_is_refused_at_once(address: str):
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        target_of(f"https://{host}/hook", ())


@pytest.mark.parametrize("address", OURS)
def test_a_name_that_leads_there_is_refused_when_it_is_resolved(address: str):
    with pytest.raises(AddressRefused):
        resolved({"hook.example": [address]}, "hook.example")


def test_one_address_of_several_is_enough_to_refuse():
    with pytest.raises(AddressRefused):
        resolved({"hook.example": ["8.8.8.8", "127.0.0.1"]}, "hook.example")


@pytest.mark.parametrize(
    "typed",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.0x1",
        "08.8.8.8",
        "1.2.3.4.5",
    ],
)
def test_an_address_in_another_spelling_is_refused(typed: str):
    """Resolvers read these as addresses, each in its own way."""
    with pytest.raises(AddressRefused, match="не имя сервера"):
        target_of(f"https://{typed}/hook", NAMED)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "127.0.0.1%2f.erp.example",
        "127.0.0.1\\.erp.example",
        "[fe80::1%25eth0]",
        "a b",
        "-",
        ".",
    ],
)
def test_a_host_that_two_readers_may_read_differently_is_refused(host: str):
    with pytest.raises(AddressRefused):
        target_of(f"https://{host}/hook", ())


def test_an_international_name_is_taken_in_ascii():
    assert target_of("https://xn--80a1acny.xn--p1ai/hook", ()).host == "xn--80a1acny.xn--p1ai"
    for typed in ("https://почта.рф/", "https://１２７.0.0.1/", "https://127。0。0。1/"):
        with pytest.raises(AddressRefused, match="xn--"):
            target_of(typed, ())


def test_the_machines_own_name_is_refused():
    with pytest.raises(AddressRefused):
        asyncio.run(addresses_of(Target("localhost", 443, True), ()))


def test_networks_that_the_operator_names_are_open_also_by_http():
    assert target_of("http://10.7.3.4:8080/hook", NAMED) == Target("10.7.3.4", 8080, False)
    assert target_of("https://10.7.3.4/hook", NAMED) == Target("10.7.3.4", 443, True)
    assert target_of("https://[fd00:7::1]/hook", NAMED).host == "fd00:7::1"
    assert resolved({"erp": ["10.7.0.9"]}, "erp", secure=False, networks=NAMED) == ["10.7.0.9"]
    for other in ("http://10.8.0.1/", "https://10.8.0.1/", "http://8.8.8.8/"):
        with pytest.raises(AddressRefused):
            target_of(other, NAMED)


@pytest.mark.parametrize(
    "url",
    [
        "http://erp.example/hook", "ftp://erp.example/", "https://", "erp.example", "file:///etc/passwd", "gopher://x",
        "https://user:secret@erp.example/", "https://erp.example/#part", "https://erp.example:99999/", "https://[::1",
        "https://erp.example/ a", "https://почта.рф/", "https://erp.example/\r\nX: y", "https://x/" + "a" * LONGEST_URL,
        "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_receiver_is_refused(url: str):
    with pytest.raises(AddressRefused):
        target_of(url, ())


def test_a_name_and_its_port():
    assert target_of("https://erp.example:8443/hook?x=1", ()) == Target("erp.example", 8443, True)
    assert target_of("https://erp.example", ()) == Target("erp.example", 443, True)
    assert resolved({"erp.example": ["8.8.8.8", "8.8.4.4", "8.8.8.8"]}, "erp.example") == ["8.8.8.8", "8.8.4.4"]


def resolved(names: dict[str, list[str]], host: str, *, secure: bool = True, networks: Any = ()) -> list[str]:
    """What is looked up where names mean this."""

    async def look() -> list[str]:
        async def getaddrinfo(name: str, port: int, **_: Any) -> list[Any]:
            return [(None, None, None, "", (each, port)) for each in names[name]]

        asyncio.get_running_loop().getaddrinfo = getaddrinfo  # type: ignore[method-assign,assignment]
        return await addresses_of(Target(host, 443, secure), networks)

    return asyncio.run(look())
