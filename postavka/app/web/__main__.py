"""`python -m postavka.app.web`: the web application as a process."""

from __future__ import annotations

import asyncio

import uvicorn

from postavka.app.registry import sites
from postavka.app.web import create_app
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.process.logs import logger
from postavka.kernel.process.service import patiently, run_process
from postavka.kernel.settings import Settings, database_url
from postavka.web.identity.sample import make_sample_users, refuse_in_public, with_known_password
from postavka.web.patience import Patience
from postavka.web.settings import WebSettings, is_public

log = logger("postavka.app.web")  # `__main__` would not be heard
DRAIN_SECONDS = 4


def serve(kernel: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Health and signals are the web server's own."""
    config = WebSettings()
    for site in sites():
        if site.prepare is not None:
            patiently(site.prepare, database_url(kernel))
    patiently(open_vault, kernel)  # a machine without the installation's key serves nobody
    if is_public(config, kernel.http_host):
        known = asyncio.run(with_known_password(database_url(kernel)))
        refuse_in_public(known, wanted=config.sample_accounts)
    if config.sample_accounts:
        asyncio.run(make_sample_users(database_url(kernel)))
    app = create_app(kernel, config)
    log.info("at work", service="web", port=kernel.http_port, url=config.url)
    uvicorn.run(
        app,
        host=kernel.http_host,
        port=kernel.http_port,
        loop="uvloop",
        http=Patience,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=config.trusted_proxies or None,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=32_768,
        backlog=512,
    )


if __name__ == "__main__":
    run_process("web", serve)
