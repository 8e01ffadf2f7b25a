"""A door in front of the broker that behaves like one that is just coming back: the first request to produce is refused
("not leader for partition"), everything else goes through.

It answers the refused one only when the next request to produce is there already, as it is when requests overlap; a
producer that sends one at a time gets its refusal after a moment.
"""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Any

PRODUCE = 0
VERSIONS, OLDER_VERSIONS = range(9, 13), range(5, 9)
"""Of the produce request whose answer is laid out like `refusal`, and like `older_refusal`."""
NOT_LEADER = 6
MOMENT_SECONDS = 0.5


def refusal(correlation: bytes, topic: str, partition: int) -> bytes:
    """The answer to a produce request: not leader."""
    name = topic.encode()
    partition_answer = struct.pack(">ihqqq", partition, NOT_LEADER, -1, -1, -1) + b"\x01\x00\x00"
    body = (
        b"\x02" + bytes([len(name) + 1]) + name + b"\x02" + partition_answer + b"\x00" + struct.pack(">i", 0) + b"\x00"
    )
    answer = correlation + b"\x00" + body
    return struct.pack(">i", len(answer)) + answer


def older_refusal(correlation: bytes, topic: str, partition: int, version: int) -> bytes:
    """The same as aiokafka knows it."""
    name = topic.encode()
    errors = struct.pack(">ih", 0, -1) if version == 8 else b""
    body = struct.pack(">ih", 1, len(name)) + name + struct.pack(">iihqqq", 1, partition, NOT_LEADER, -1, -1, -1)
    answer = correlation + body + errors + struct.pack(">i", 0)
    return struct.pack(">i", len(answer)) + answer


@dataclass
class StumblingBroker:
    """A context manager. `address` is its door; `refused` is set when the first produce request is there."""

    broker_port: int
    topic: str
    partition: int
    refused: threading.Event = field(default_factory=threading.Event)
    _second: threading.Event = field(default_factory=threading.Event)
    _answered: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> StumblingBroker:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._start(self._open)
        return self

    def __exit__(self, *exc: object) -> None:
        self._door.close()

    def _start(self, work: Any, *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _open(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            broker = socket.create_connection(("127.0.0.1", self.broker_port))
            self._start(self._requests, client, broker)
            self._start(self._answers, broker, client)

    def _requests(self, client: socket.socket, broker: socket.socket) -> None:
        for frame in frames(client):
            key, version = struct.unpack_from(">hh", frame)
            if key == PRODUCE and not self.refused.is_set():
                assert version in VERSIONS or version in OLDER_VERSIONS, version
                self.refused.set()
                self._start(self._refuse, client, frame[4:8], version)
                continue
            if key == PRODUCE and not self._second.is_set():
                self._second.set()
                self._answered.wait(5)
            broker.sendall(struct.pack(">i", len(frame)) + frame)

    def _refuse(self, client: socket.socket, correlation: bytes, version: int) -> None:
        self._second.wait(MOMENT_SECONDS)
        self._second.set()
        if version in VERSIONS:
            client.sendall(refusal(correlation, self.topic, self.partition))
        else:
            client.sendall(older_refusal(correlation, self.topic, self.partition, version))
        self._answered.set()

    def _answers(self, broker: socket.socket, client: socket.socket) -> None:
        there, here = (b"127.0.0.1" + struct.pack(">i", port) for port in (self.broker_port, self.port))
        for frame in frames(broker):
            answer = frame.replace(there, here)  # the broker says where it is: let the client come through this door
            client.sendall(struct.pack(">i", len(answer)) + answer)


class DeadLeader(StumblingBroker):
    """A door to a broker that says where partitions are led: by one whose port nobody listens at."""

    def __enter__(self) -> DeadLeader:
        self._dead = socket.socket()
        self._dead.bind(("127.0.0.1", 0))  # taken, and not listened at
        self._dead_port = self._dead.getsockname()[1]
        super().__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        super().__exit__()
        self._dead.close()

    def _requests(self, client: socket.socket, broker: socket.socket) -> None:
        for frame in frames(client):
            broker.sendall(struct.pack(">i", len(frame)) + frame)

    def _answers(self, broker: socket.socket, client: socket.socket) -> None:
        there, dead = (b"127.0.0.1" + struct.pack(">i", port) for port in (self.broker_port, self._dead_port))
        for frame in frames(broker):
            answer = frame.replace(there, dead)
            client.sendall(struct.pack(">i", len(answer)) + answer)


def frames(side: socket.socket) -> Any:
    """Kafka's requests or answers, one by one, until the connection ends."""
    stream = side.makefile("rb")
    while len(size := stream.read(4)) == 4:
        yield stream.read(struct.unpack(">i", size)[0])
