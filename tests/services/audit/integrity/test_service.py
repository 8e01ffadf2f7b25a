"""The auditor's service outlives PostgreSQL: it lets go of everything, and opens it anew."""

from __future__ import annotations

import asyncio

from services.audit.__main__ import AuditService
from services.audit.integrity.signer import Signer
from tests.kernel.polling import PATIENCE_SECONDS
from tests.services.audit.conftest import Log


async def test_a_session_that_postgresql_ends_does_not_end_the_service(log: Log):
    signer = Signer(log.config, log.audit, [log.name], tables=())
    service = AuditService(log.config, signer)

    async def grown(size: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not signer.logs or signer.logs[log.name].tree.size < size:
                assert not following.done(), following.exception()
                await asyncio.sleep(0.05)

    following = asyncio.create_task(service._follow())
    try:
        log.add(3)
        await grown(3)
        with log.sql() as administrator:
            ended = administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'postavka-audit' AND datname = current_database()"
            ).fetchall()
        assert ended == [(True,)]
        log.add(4)
        await grown(7)
        assert service.trouble() is None
    finally:
        following.cancel()
        await service.close()
    assert log.findings() == []
