"""A partner's program to which webhooks post: it notes everything, and takes most of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

from tests.system.oracle import Post


class Receiver:
    """What has come, in the order in which it came."""

    def __init__(self, refused: float, seed: int) -> None:
        self.posts: list[Post] = []
        self._refused, self._chance = refused, Random(seed)
        self._lock = threading.Lock()

    def take(self, webhook_id: str, body: bytes) -> int:
        """Note a post, and say what it is answered."""
        with self._lock:
            taken = self._chance.random() >= self._refused
            self.posts.append(Post(webhook_id, json.loads(body), taken))
        return 204 if taken else 503


@contextmanager
def receiving(refused: float = 0, seed: int = 0) -> Iterator[tuple[Receiver, str]]:
    """A receiver and its address, as long as it listens. `refused`: the share of posts that are answered 503."""
    receiver = Receiver(refused, seed)

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = receiver.take(self.headers["webhook-id"], self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield receiver, f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()
