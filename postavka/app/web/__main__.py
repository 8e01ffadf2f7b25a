"""`python -m postavka.app.web`: the web application as a process."""

from __future__ import annotations

import asyncio
import os

import uvicorn

from postavka.app.registry import sites
from postavka.app.web import create_app
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.process import liveness, tracing
from postavka.kernel.process.logs import configure_logs, logger
from postavka.kernel.settings import database_url, settings
from postavka.web.identity.sample import make_sample_users, refuse_in_public, with_known_password
from postavka.web.patience import Patience
from postavka.web.settings import WebSettings, is_public

log = logger("postavka.app.web")  # `__main__` would not be heard
DRAIN_SECONDS = 4


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    kernel, config = settings(), WebSettings()
    configure_logs(kernel, "web")
    tracing.start(kernel, "web")
    liveness.watch()
    for site in sites():
        if site.prepare is not None:
            site.prepare(database_url(kernel))
    open_vault(kernel)  # a machine without the installation's key serves nobody
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
    os._exit(0)


if __name__ == "__main__":
    main()
