"""A TCP proxy that stands between the services and one server, and does to connections what networks do.

It runs in a thread of its own. Its mode holds for all connections that there are or that are opened while it lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: closing sends RST in place of FIN."""


@dataclass(eq=False)
class Connection:
    """One client's connection and ours to the server. Lost: nothing passes any more, and nothing says so."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    lost: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Proxy(threading.Thread):
    """Listens on `port` (0: any free one) and passes everything on to 127.0.0.1:`to`."""

    def __init__(self, to: int, port: int = 0, seed: int = 0) -> None:
        super().__init__(name=f"proxy to {to}", daemon=True)
        self._to = to
        self.port = port
        self._chance = Random(seed)
        self._mode = ""
        self._connections: set[Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        """Not set while it is dark."""
        self._ready = threading.Event()
        self.start()
        self._ready.wait()

    # What a network does; called from other threads

    def cut(self) -> None:
        """Reset every connection; until `heal`, new ones as well."""
        self._do(lambda: self._set("cut"))
        self._do(self._reset_all)

    def delay(self) -> None:
        """Until `heal` each piece takes 0.1 to 1 s longer."""
        self._do(lambda: self._set("delay"))

    def dark(self) -> None:
        """Until `heal` connections are accepted and nothing passes; then all of it does."""
        self._do(self._passing.clear)

    def mute(self) -> None:
        """Until `heal` what clients say arrives, and they hear nothing."""
        self._do(lambda: self._set("mute"))

    def lose(self) -> None:
        """Connections that there are, or are opened before `heal`, pass nothing ever again."""
        self._do(lambda: self._set("lose"))
        self._do(self._lose_all)

    def heal(self) -> None:
        """As if nothing had been (what was lost stays so)."""
        self._do(self._heal)

    def forget_lost(self) -> None:
        """Reset the connections that were lost."""
        self._do(lambda: [self._reset(each) for each in list(self._connections) if each.lost] and None)

    def lost(self) -> int:
        """Connections that pass nothing and that neither side has closed."""
        return sum(each.lost for each in list(self._connections))

    def close(self) -> None:
        """The end."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.join(5)

    # In the thread

    def run(self) -> None:
        self._passing.set()
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        for each in list(self._connections):
            self._reset(each)
        server.close()

    def _do(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act)

    def _set(self, mode: str) -> None:
        self._mode = mode

    def _heal(self) -> None:
        if self._mode == "mute":  # what was swallowed can't be passed on later
            self._reset_all()
        self._mode = ""
        self._passing.set()

    def _lose_all(self) -> None:
        for each in self._connections:
            each.lost = True

    def _reset_all(self) -> None:
        for each in list(self._connections):
            self._reset(each)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "cut":
            _reset(writer)
            return
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            _reset(writer)
            return
        connection = Connection(writer, to_writer, self._mode == "lose")
        self._connections.add(connection)
        connection.tasks = [
            asyncio.ensure_future(self._pass(connection, reader, to_writer, from_server=False)),
            asyncio.ensure_future(self._pass(connection, to_reader, writer, from_server=True)),
        ]

    async def _pass(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool
    ) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(CHUNK):
                await self._passing.wait()
                if self._mode == "delay":
                    await asyncio.sleep(self._chance.uniform(0.1, 1.0))
                if connection.lost or (self._mode == "mute" and from_server):
                    continue
                writer.write(data)
                await writer.drain()
        if (
            not connection.lost or not from_server
        ):  # the client has gone; a server's good-bye on a lost one is not heard
            self._reset(connection)

    def _reset(self, connection: Connection) -> None:
        self._connections.discard(connection)
        _reset(connection.client)
        _reset(connection.server)
        for task in connection.tasks:
            if task is not asyncio.current_task(self._loop):
                task.cancel()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
