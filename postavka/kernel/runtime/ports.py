"""Free ports on loopback, the same ones again at the next start if they are still free."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterable
from pathlib import Path

from postavka.kernel.runtime.file_access import write_secret

SERVER_PORTS, SERVICE_PORTS = "ports.json", "services.json"
"""Files in a home folder: the ports of the embedded servers, and of the services."""
LOWEST = 20_000
OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def choose_ports(file: Path, names: Iterable[str], beside: Path | None = None) -> dict[str, int]:
    """A port for every name; remembered in `file`. Those in the file `beside` are other programs' that may not listen
    yet."""
    remembered = remembered_ports(file)
    others = set(remembered_ports(beside).values()) if beside is not None else set()
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name)
        if port is None or port in others or port in chosen.values() or not is_free(port):
            port = _any_free({*chosen.values(), *remembered.values(), *others})
        chosen[name] = port
    write_secret(file, json.dumps(remembered | chosen, indent=2))
    return chosen


def remembered_ports(file: Path) -> dict[str, int]:
    """The ports chosen last time; none before the first, and where an earlier release's file was emptied by a power
    cut: then others are chosen."""
    try:
        ports: dict[str, int] = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return ports


def is_free(port: int) -> bool:
    """Can this port be listened on now?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free(taken: set[int]) -> int:
    """A port that nobody has. Not one of those that the system gives to outgoing connections: before the program for
    which it is meant listens, another one's connection could have it, and keep it."""
    ours = range(LOWEST, max(LOWEST, _first_outgoing()))
    for port in random.sample(ours, len(ours)):
        if port not in taken and is_free(port):
            return port
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def _first_outgoing() -> int:
    try:
        return int(OUTGOING.read_text().split()[0])
    except OSError:  # not Linux
        return LOWEST
