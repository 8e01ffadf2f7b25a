"""What every process of ours is: one skeleton for stages, projections and all that works beside them.

A process writes logs, is traced if the settings say so, and is watched by `liveness`. A service answers `/livez`,
`/readyz`, `/healthz` and `/metrics` besides. SIGTERM and SIGINT end a process with status 0. What can't go on ends it
with status 1, and its supervisor starts it anew: the start is the way of recovery, so nothing is mended in place.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

import psycopg
import uvloop
from confluent_kafka import KafkaException

from postavka.kernel.process import liveness, tracing
from postavka.kernel.process.garbage import collect_seldom
from postavka.kernel.process.health import serve_health
from postavka.kernel.process.logs import WAITING, configure_logs, logger
from postavka.kernel.settings import Settings, settings

log = logger(__name__)

PATIENCE_SECONDS = 60.0
"""So long a start waits for servers that are away, from its first try; then it is for the supervisor."""
PAUSE_SECONDS = 2.0
CANCEL_SECONDS = 3.0
"""Tasks that have been asked to end are waited for so long at most."""
STARTING = "it has not started yet"

T = TypeVar("T")


class ServiceProcess(Protocol):
    """What a process does. It is made before the loop runs; everything else is called within."""

    async def start(self) -> None:
        """Returns when it is at work; raises when it can't be."""
        ...

    def work(self) -> Sequence[Coroutine[Any, Any, object]]:
        """What goes on side by side from then on. When one of them ends the service ends; what it raises is logged."""
        ...

    async def close(self) -> None:
        """Leave, within seconds. Called once at the end, also of a start that was cut off or has failed."""
        ...

    def trouble(self) -> str | None:
        """What is wrong, as a sentence; None while all is well. Must be quick."""
        ...

    def details(self) -> Mapping[str, Any]:
        """The figures for `/healthz` that an operator asks for first. Must be quick."""
        ...


def run_service(name: str, make: Callable[[Settings], ServiceProcess]) -> NoReturn:
    """The process of a service, from its settings to its end. `make` is called again while a server is away."""

    def body(config: Settings) -> None:
        uvloop.install()
        collect_seldom()
        service = patiently(make, config)
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve(name, service, config))  # asyncio.run would wait for threads that hang

    run_process(name, body)


def run_process(name: str, body: Callable[[Settings], object]) -> NoReturn:
    """A process that does `body`, and ends with it: for a server that has a loop and health of its own."""
    config = settings()
    configure_logs(config, name)
    tracing.start(config, name)
    liveness.watch()
    try:
        body(config)
    except Exception as error:
        end_process(name, error)
    os._exit(0)  # threads of a client library that hang must not keep a dead service alive


def end_process(name: str, error: Exception) -> NoReturn:
    """End the process at once, from any thread: this can't go on."""
    log.error("the service ends", what=name, error=str(error)[:500], exc_info=error)
    os._exit(1)


def run_beside(name: str, body: Callable[[], object]) -> None:
    """Start a thread that works beside the service; what it raises ends the process."""

    def guarded() -> None:
        try:
            body()
        except Exception as error:
            end_process(name, error)

    threading.Thread(target=guarded, name=name, daemon=True).start()


def patiently(function: Callable[..., T], *arguments: Any) -> T:
    """Call a part of the start again while PostgreSQL or Kafka is away, up to `PATIENCE_SECONDS`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return function(*arguments)
        except (psycopg.OperationalError, KafkaException) as away:
            if time.monotonic() > deadline:
                raise
            server = "Kafka" if isinstance(away, KafkaException) else "PostgreSQL"
            log.warning(WAITING, server=server, why=str(away)[:200])
            liveness.beat(liveness.START, liveness.START_SECONDS)
            time.sleep(PAUSE_SECONDS)


async def serve(name: str, service: ServiceProcess, config: Settings) -> None:
    """Start the service and let it work until a signal comes or a part of it ends; raises what that has raised."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    started = False

    def health() -> tuple[bool, dict[str, Any]]:
        trouble = service.trouble() if started else STARTING
        return trouble is None, {"service": name, "trouble": trouble, "worker": config.worker, **service.details()}

    http, port = await serve_health(name, config, health)

    async def start_and_work() -> None:
        nonlocal started
        await service.start()
        started = True
        liveness.rest(liveness.START)
        log.info("at work", port=port, worker=config.worker)
        await until_one_ends(service.work())

    try:
        await until_one_ends([stop.wait(), start_and_work()])
    finally:
        try:
            await service.close()
        except Exception as error:
            log.warning("left out of order", error=repr(error)[:200])
        await http.cleanup()
    log.info("stopped")


async def until_one_ends(those: Sequence[Coroutine[Any, Any, object]]) -> None:
    """Run them side by side until one ends, and cancel the others; raises what one has raised."""
    tasks = [asyncio.create_task(each) for each in those]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
    for task in done:
        task.result()
