"""`/livez` (the process lives), `/readyz` or `/healthz` (it can work, or what is wrong) and `/metrics` of a service."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from postavka.kernel.process.metrics import TROUBLE
from postavka.kernel.settings import Settings

RELEASE = version("postavka")
Health = Callable[[], tuple[bool, dict[str, Any]]]


async def serve_health(name: str, config: Settings, health: Health) -> tuple[web.AppRunner, int]:
    """Start serving; returns the runner (clean it up at the end) and the port. `health` says well or not, and why;
    `name` is the service's in the metrics, which say the same."""

    async def healthz(_: web.Request) -> web.Response:
        well, details = health()
        report = {"status": "ok" if well else "unwell", "version": RELEASE, **details}
        return web.json_response(report, status=200 if well else 503)

    async def livez(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": RELEASE})

    async def metrics(_: web.Request) -> web.Response:
        TROUBLE.labels(name).set(not health()[0])
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    answers = {"/livez": livez, "/readyz": healthz, "/healthz": healthz, "/metrics": metrics}
    app.add_routes([web.get(path, answer) for path, answer in answers.items()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, config.http_host, config.http_port)
    await site.start()
    chosen = runner.addresses[0][1] if runner.addresses else config.http_port
    return runner, int(chosen)
