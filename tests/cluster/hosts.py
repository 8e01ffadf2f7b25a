"""Hosts of their own on one machine: network namespaces, each with a cable (veth) to one bridge. Needs root.

A host is cut off both ways by pulling its cable; one way by letting it send to an address that is nobody's: what others
say arrives, and they hear nothing.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

NOBODY = "02:00:00:00:00:ff"


class Hosts:
    """So many hosts. A context manager: leaving it removes them, with the bridge."""

    def __init__(self, count: int) -> None:
        self._tag = f"pv{os.getpid() % 100_000}"
        self._net = f"10.77.{os.getpid() % 250}"
        self._numbers = range(1, count + 1)
        self.addresses = [f"{self._net}.{number}" for number in self._numbers]
        self._bridge_address = f"{self._net}.254"

    def __enter__(self) -> Hosts:
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def on(self, number: int) -> Sequence[str]:
        """A command that runs another one on this host."""
        return ("ip", "netns", "exec", self._name(number))

    def cut_off(self, number: int) -> None:
        """It hears nobody, and nobody hears it."""
        _ip("link", "set", self._cable(number), "down")

    def silence(self, number: int) -> None:
        """It hears everybody, and nobody hears it."""
        for address in self._others(number):
            self._inside(number, "neigh", "replace", address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")

    def heal(self, number: int) -> None:
        """As if nothing had been."""
        _ip("link", "set", self._cable(number), "up")
        for address in self._others(number):
            self._inside(number, "neigh", "flush", "to", address, "nud", "permanent", "dev", "eth0")

    def close(self) -> None:
        """The end of all hosts; processes on them must have ended."""
        for number in self._numbers:
            _ip("netns", "delete", self._name(number), check=False)  # its cable goes with it
        _ip("link", "delete", self._tag, check=False)

    def _make(self) -> None:
        _ip("link", "add", self._tag, "type", "bridge")
        _ip("address", "add", f"{self._bridge_address}/24", "dev", self._tag)
        _ip("link", "set", self._tag, "up")
        for number, address in zip(self._numbers, self.addresses, strict=True):
            name, cable = self._name(number), self._cable(number)
            _ip("netns", "add", name)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", cable, "master", self._tag, "up")
            self._inside(number, "address", "add", f"{address}/24", "dev", "eth0")
            for interface in ("lo", "eth0"):
                self._inside(number, "link", "set", interface, "up")

    def _others(self, number: int) -> list[str]:
        return [self._bridge_address, *(each for each in self.addresses if each != self.addresses[number - 1])]

    def _name(self, number: int) -> str:
        return f"{self._tag}-{number}"

    def _cable(self, number: int) -> str:
        return f"{self._tag}c{number}"

    def _inside(self, number: int, *arguments: str) -> None:
        _ip("-n", self._name(number), *arguments)


def why_no_hosts() -> str | None:
    """Why there can be no hosts here; None where there can."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    try:
        with Hosts(1):
            return None
    except (OSError, subprocess.CalledProcessError) as impossible:
        return f"no host can be made here: {impossible}"


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, capture_output=True)
