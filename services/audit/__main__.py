"""`python -m services.audit`: grows the trees of the stages' logs and signs checkpoints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

import psycopg
from aiokafka.errors import KafkaError

from postavka.kernel.errors import ServerAway
from postavka.kernel.process import liveness
from postavka.kernel.process.logs import WAITING, logger
from postavka.kernel.process.progress import Servers
from postavka.kernel.process.service import run_service
from postavka.kernel.process.watchdog import KAFKA, POSTGRESQL, POSTGRESQL_AWAY
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.session import KeptSession
from services.audit.integrity.signer import Signer
from services.audit.integrity.store import SCHEMA
from services.audit.verification.verifications import is_asked, verify_what_is_asked

log = logger("services.audit")

STANDBY_SECONDS = 1.0
STEP_SECONDS = 300.0
"""At most, of what has come in the meantime."""
LOOK_BACK_SECONDS = 1_800.0
"""For opening the trees at the start: they are looked at as a whole."""
FOLLOWING = "following"
ASKED_SECONDS = 1.0
"""How often the service looks whether a verification is asked for."""

T = TypeVar("T")


class AuditService:
    """The signer, in a thread of its own, which one step after another is done in."""

    def __init__(self, config: Settings, signer: Signer | None = None) -> None:
        self._config = config
        self._looking = KeptSession(database_url(config), application_name="postavka-audit")
        self._signer = signer or Signer(config)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sign")
        self._servers = Servers()
        self.details = self._signer.details

    def trouble(self) -> str | None:
        """That a log is not what was signed, or a server is away, as a sentence; None while all is well."""
        return self._signer.trouble() or self._servers.trouble(time.monotonic())

    async def start(self) -> None:
        """Nothing: who stands by is well too."""

    def work(self) -> Sequence[Coroutine[Any, Any, object]]:
        """Stand by until nobody else is at work, then follow; verify when somebody asks."""
        return self._follow(), self._verify()

    async def close(self) -> None:
        """Save, once the step at hand is done."""
        await self._do(self._signer.close)

    async def _follow(self) -> None:
        """A server that goes away takes the lock, or what was read, with it: then all of it is opened anew."""
        while True:
            liveness.beat(FOLLOWING, LOOK_BACK_SECONDS)
            try:
                if await self._do(self._signer.try_to_start):
                    await self._step_by_step()
                self._answered()
            except POSTGRESQL_AWAY as away:
                self._servers.silent(POSTGRESQL, time.monotonic(), away)
            except (KafkaError, ServerAway) as away:
                self._servers.silent(KAFKA, time.monotonic(), away)
            await self._do(self._signer.let_go)
            await asyncio.sleep(STANDBY_SECONDS)

    async def _step_by_step(self) -> NoReturn:
        while True:
            self._answered()
            liveness.beat(FOLLOWING, STEP_SECONDS)
            await self._do(self._signer.step)

    def _answered(self) -> None:
        for server in (KAFKA, POSTGRESQL):
            self._servers.answered(server)

    async def _verify(self) -> None:
        """In a thread beside the signer's; the work itself is done by another process."""
        while True:
            try:
                await asyncio.to_thread(self._look)
            except psycopg.Error as away:
                log.warning(WAITING, server="PostgreSQL", why=str(away)[:200])
            await asyncio.sleep(ASKED_SECONDS)

    def _look(self) -> None:
        with self._looking as connection:
            asked = is_asked(connection)
        if asked:
            verify_what_is_asked(self._config)

    async def _do(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


if __name__ == "__main__":
    run_service(SCHEMA, AuditService)
