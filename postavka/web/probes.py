"""`/livez`, `/readyz`, `/healthz` and `/metrics`: for supervisors and Prometheus, beside the pages or on a port of
their own (`POSTAVKA_WEB_PROBES_PORT`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from postavka.kernel.process.health import RELEASE
from postavka.kernel.process.logs import logger
from postavka.kernel.process.metrics import TROUBLE, note_pool
from postavka.web.patience import Patience
from postavka.web.state import Web, web

log = logger(__name__)


def routes(ready: Sequence[str]) -> list[Route]:
    """`ready`: SQL that fails while a service's tables can't be read."""

    async def livez(_: Request) -> Response:
        return _json({"status": "ok", "service": "web"})

    async def readyz(request: Request) -> Response:
        parts = web(request)
        troubles = []
        try:
            async with parts.database.nobody() as rows:
                for query in ready:
                    await rows.execute(query.encode())
        except Exception as away:  # whatever it is, the answer is: not ready
            troubles.append(f"PostgreSQL: {type(away).__name__}")
        if not parts.commands.ready:
            troubles.append("Kafka: not reached yet")
        if not parts.live.connected:
            troubles.append("notifications: not listening")
        trouble = "; ".join(troubles) or None
        status = "unwell" if troubles else "ok"
        answer = {"status": status, "version": RELEASE, "service": "web", "trouble": trouble}
        return _json(answer, 503 if troubles else 200)

    async def metrics(request: Request) -> Response:
        parts = web(request)
        note_pool("web", parts.database.pool.get_stats())
        TROUBLE.labels("web").set(not (parts.commands.ready and parts.live.connected))
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    found = {"/livez": livez, "/readyz": readyz, "/healthz": readyz, "/metrics": metrics}
    return [Route(path, endpoint) for path, endpoint in found.items()]


@asynccontextmanager
async def on_their_own(parts: Web, those: Sequence[Route]) -> AsyncIterator[None]:
    """Serve them at the port that the settings name, where they name one."""
    if parts.config.probes_port is None:
        yield
        return
    app = Starlette(routes=list(those))
    app.state.web = parts
    server = _Beside(
        uvicorn.Config(
            app,
            host=parts.kernel.http_host,
            port=parts.config.probes_port,
            http=Patience,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )
    serving = asyncio.create_task(server.serve())
    log.info("probes and metrics have a port of their own", port=parts.config.probes_port)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


class _Beside(uvicorn.Server):
    """A server beside the one of the pages, which hears the signals for both."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process that this server runs beside."""
        yield


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
