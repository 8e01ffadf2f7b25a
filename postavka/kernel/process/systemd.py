"""The messages to systemd about this process: that it is ready, and that it still moves (`sd_notify(3)`).

Nothing happens where no supervisor has set `NOTIFY_SOCKET`.
"""

from __future__ import annotations

import contextlib
import os
import socket

READY = "READY=1"
ALIVE = "WATCHDOG=1"
"""Sent with each look of `liveness`; `WatchdogSec=` of the unit is many looks long."""


def notify(state: str) -> None:
    """Send `READY` or `ALIVE`. A supervisor that can't be reached is no reason to end."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.sendto(state.encode(), address)
