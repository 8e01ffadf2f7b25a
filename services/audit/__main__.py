"""`python -m services.audit`: grows the trees of the stages' logs and signs checkpoints."""

from __future__ import annotations

import asyncio
import os
import signal

from postavka.kernel.process import liveness
from postavka.kernel.process.garbage import collect_seldom
from postavka.kernel.process.health import serve_health
from postavka.kernel.process.logs import configure_logs, logger
from postavka.kernel.settings import Settings, settings
from services.audit.integrity.signer import Signer

log = logger("services.audit")

STANDBY_SECONDS = 1.0
STEP_SECONDS = 300.0
"""At most, of what has come in the meantime."""
LOOK_BACK_SECONDS = 1_800.0
"""For opening the trees at the start: they are looked at as a whole."""


async def run(config: Settings) -> None:
    """Until SIGTERM or SIGINT; raises when it can't go on, and its supervisor starts it anew."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    follower = await asyncio.to_thread(Signer, config)
    http, port = await serve_health(config.http_host, config.http_port, follower.health)
    started = False
    while not stop.is_set() and not started:
        liveness.beat(liveness.START, LOOK_BACK_SECONDS)
        started = await asyncio.to_thread(follower.try_to_start)
        if not started:
            await asyncio.sleep(STANDBY_SECONDS)
    liveness.rest(liveness.START)
    log.info("at work", port=port, key=str(follower.key.verifier))
    while not stop.is_set():
        liveness.beat("following", STEP_SECONDS)
        await asyncio.to_thread(follower.step)
    await asyncio.to_thread(follower.close)
    await http.cleanup()


def main() -> None:
    """Run the service; exits non-zero when it can't go on."""
    config = settings()
    configure_logs(config, "audit")
    liveness.watch()
    collect_seldom()
    try:
        asyncio.run(run(config))
    except Exception as error:
        log.exception("the service ends", error=str(error)[:500])
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
