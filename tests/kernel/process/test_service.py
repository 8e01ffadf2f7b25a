"""The one skeleton of processes: how they start, what they say of themselves, how they end."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Coroutine, Sequence
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaException

from postavka.kernel.process import service as skeleton
from postavka.kernel.process.service import STARTING, patiently, serve, until_one_ends
from postavka.kernel.settings import Settings
from tests.kernel.polling import PATIENCE_SECONDS

SCRIPT = """
import asyncio, time
from concurrent.futures import ThreadPoolExecutor
from postavka.kernel.process.service import run_beside, run_service

class Toy:
    def __init__(self, config): pass
    async def start(self):
        ThreadPoolExecutor(1).submit(time.sleep, 600)
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
        print("started", flush=True)
    def work(self): return [self.do()]
    async def do(self):
        {work}
    async def close(self): print("closed", flush=True)
    def trouble(self): return None
    def details(self): return {{}}

run_service("toy", Toy)
"""
"""A service of which two threads hang: one of its own, one of the loop's."""


def started(work: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(work=work)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_service_well_though_threads_of_it_hang(sign: signal.Signals):
    with started("await asyncio.sleep(600)") as process:
        assert process.stdout is not None
        assert any("started" in line for line in process.stdout)
        process.send_signal(sign)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    assert "closed" in said


@pytest.mark.parametrize(
    "work",
    [
        "raise RuntimeError('no progress')",
        "run_beside('a thread', lambda: 1 / 0); await asyncio.sleep(600)",
    ],
)
def test_what_cannot_go_on_ends_the_process_though_threads_of_it_hang(work: str):
    """A storm found a desk whose watchdog had ended it, and which stayed: its sending thread hung."""
    with started(work) as process:
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1, said
    assert "the service ends" in said
    assert "no progress" in said or "division by zero" in said


class Toy:
    """Starts when it is let, works until it is told."""

    def __init__(self) -> None:
        self.let, self.working, self.told = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.wrong: str | None = None
        self.closed = 0

    async def start(self) -> None:
        await self.let.wait()

    def work(self) -> Sequence[Coroutine[Any, Any, object]]:
        self.working.set()
        return asyncio.sleep(3_600), self.told.wait()

    async def close(self) -> None:
        self.closed += 1

    def trouble(self) -> str | None:
        return self.wrong

    def details(self) -> dict[str, Any]:
        return {"lag_records": 3}


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as unwell:
        return unwell.code, unwell.read().decode()


async def test_it_says_whether_it_is_at_work_and_well(monkeypatch: pytest.MonkeyPatch):
    toy, port = Toy(), asyncio.get_running_loop().create_future()
    served = skeleton.serve_health

    async def serve_and_tell(*arguments: Any) -> Any:
        runner, chosen = await served(*arguments)
        port.set_result(chosen)
        return runner, chosen

    monkeypatch.setattr(skeleton, "serve_health", serve_and_tell)
    serving = asyncio.create_task(serve("toy", toy, Settings(http_port=0)))

    async def ask(path: str) -> tuple[int, str]:
        return await asyncio.to_thread(get, await port, path)

    async def healthz() -> tuple[int, dict[str, Any]]:
        status, body = await ask("/healthz")
        return status, json.loads(body)

    status, said = await healthz()
    assert (status, said["status"], said["trouble"]) == (503, "unwell", STARTING)
    assert (await ask("/livez"))[0] == 200
    toy.let.set()
    await asyncio.wait_for(toy.working.wait(), PATIENCE_SECONDS)
    _, said = await healthz()
    assert (said["status"], said["service"], said["trouble"], said["lag_records"]) == ("ok", "toy", None, 3)
    assert 'postavka_trouble{stage="toy"} 0.0' in (await ask("/metrics"))[1]
    toy.wrong = "Kafka has not answered for 70 s"
    status, said = await healthz()
    assert (status, said["trouble"]) == (503, toy.wrong)
    assert (await ask("/readyz"))[0] == 503
    assert 'postavka_trouble{stage="toy"} 1.0' in (await ask("/metrics"))[1]
    toy.told.set()
    await asyncio.wait_for(serving, PATIENCE_SECONDS)
    assert toy.closed == 1


async def test_a_start_that_fails_ends_it_and_is_told():
    class Failing(Toy):
        async def start(self) -> None:
            raise RuntimeError("no topics")

        async def close(self) -> None:
            await super().close()
            raise RuntimeError("was never open")

    toy = Failing()
    with pytest.raises(RuntimeError, match="no topics"):
        await serve("toy", toy, Settings(http_port=0))
    assert toy.closed == 1


async def test_when_one_ends_the_others_are_cancelled_and_have_ended():
    ended = []

    async def forever() -> None:
        try:
            await asyncio.sleep(3_600)
        finally:
            ended.append("forever")

    async def fail() -> None:
        raise ValueError("one")

    with pytest.raises(ValueError, match="one"):
        await until_one_ends([forever(), fail()])
    assert ended == ["forever"]


@pytest.mark.parametrize("away", [psycopg.OperationalError("refused"), KafkaException("refused")])
def test_a_start_waits_for_servers_that_are_away(away: Exception, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(skeleton, "PAUSE_SECONDS", 0.001)
    tries = iter([away, away, None])

    def make(what: str) -> str:
        if (wrong := next(tries)) is not None:
            raise wrong
        return what

    assert patiently(make, "made") == "made"


def test_a_start_does_not_wait_for_ever_nor_for_what_is_wrong(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(skeleton, "PATIENCE_SECONDS", -1.0)
    calls = []

    def make(wrong: Exception) -> None:
        calls.append(wrong)
        raise wrong

    for wrong in (psycopg.OperationalError("refused"), ValueError("a defect")):
        with pytest.raises(type(wrong)):
            patiently(make, wrong)
    assert len(calls) == 2
