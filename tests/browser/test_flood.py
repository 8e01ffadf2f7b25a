"""The page of the stream under 2,000 events a second: everything is counted, the page scrolls, its memory is bounded.

A web process of its own reads a topic of its own on the broker that runs: the stages could not make so many on every
machine, and nobody else's topic gets events that no stage has written. `POSTAVKA_FLOOD_SECONDS=60` is the long form.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from playwright.sync_api import Page, expect

from events.envelope import Envelope
from postavka.app.web import create_app
from postavka.kernel.log.topics import ensure_topics
from services.ops.live_feed import Feed
from services.ops.pages.stream import ROWS_KEPT
from tests.browser.conftest import SignedIn
from tests.system.conftest import System, wait_until

SECONDS = float(os.environ.get("POSTAVKA_FLOOD_SECONDS", "8"))
RATE = 2_000
"""Events a second."""
HEAP_MB = 32
"""Of the page's own objects, after a collection."""
NODES = 20_000
"""Of the document."""
TYPES = ("RequestSubmitted.v1", "Approved.v3", "BillingOpened.v1", "DocumentIssued.v2", "Activated.v1")
BODY = '{"number":"470-709-576-458-208-658-133","buyer":"ООО «Поток»"}'.encode()


@pytest.fixture
def flooded(system: System) -> Iterator[tuple[str, str]]:
    """(address, topic) of a web application whose stream shows this topic."""
    topic = f"flood-{uuid4().hex[:8]}.events"
    ensure_topics(system.config, [topic])
    app = create_app(system.config)
    app.state.ops_feed = Feed(system.config, [topic])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the web application answers")
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", topic
    server.should_exit = True
    thread.join(20)
    admin = AdminClient(system.kafka)
    for future in admin.delete_topics([topic]).values():
        future.exception(60)


def flood(system: System, topic: str, seconds: float) -> tuple[int, float]:
    """Events at `RATE`; returns how many, and how long it took."""
    producer = Producer(system.kafka | {"linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    started, sent = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        while sent < RATE * passed:
            request = str(uuid4())
            type_name = TYPES[sent % len(TYPES)]
            envelope = Envelope(
                id=f"{request}/1", source="/postavka/flood", type=type_name, subject=request,
                time=datetime.now(UTC), position=sent + 1,
            )  # fmt: skip
            producer.produce(topic, BODY, request.encode(), headers=envelope.headers())
            sent += 1
        producer.poll(0)
        time.sleep(0.005)
    producer.flush(60)
    return sent, time.monotonic() - started


def number(page: Page, name: str) -> int:
    """One of the counts above the stream."""
    return int(page.evaluate(f"document.querySelector('[data-{name}]').textContent.replace(/\\D/g, '') || '0'"))


def counted(page: Page) -> int:
    """Events that the page has counted, shown or not, with those that were gone before it could be told."""
    return number(page, "total") + int(page.locator("[data-live]").get_attribute("data-missed") or 0)


def renderer_mb(page: Page) -> float:
    """Resident memory of the browser's largest renderer, in MB: this page's."""
    session = page.context.browser.new_browser_cdp_session()  # type: ignore[union-attr]
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = [
        int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
        for each in found
        if each["type"] == "renderer" and (status := _status(each["id"]))
    ]
    return max(sizes)


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""


def test_two_thousand_a_second_leave_the_page_scrolling_and_bounded(
    person: SignedIn, system: System, flooded: tuple[str, str], measured: Callable[[str], None]
) -> None:
    address, topic = flooded
    ops = person("ops", at=address, anew=True)
    ops.go("/ops/stream")
    expect(ops.page.locator("[data-state]")).to_have_text("живой поток")
    done: list[Any] = []
    flooding = threading.Thread(target=lambda: done.append(flood(system, topic, SECONDS)))
    flooding.start()
    places, largest = [], 0.0
    while flooding.is_alive():
        ops.page.mouse.wheel(0, 400 if len(places) % 2 == 0 else -300)
        ops.page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        places.append(ops.page.evaluate("scrollY"))
        largest = max(largest, renderer_mb(ops.page))
    flooding.join()
    ((sent, took),) = done
    wait_until(lambda: counted(ops.page) == sent, f"all {sent} events are counted")
    session = ops.page.context.new_cdp_session(ops.page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    figures = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    heap = figures["JSHeapUsedSize"] / 1e6
    measured(
        f"stream page: {sent / took:,.0f} events/s for {took:.0f} s, {number(ops.page, 'more'):,} of {sent:,} counted "
        f"only; heap {heap:.1f} MB after a collection, {figures['Nodes']:,.0f} nodes, "
        f"renderer at most {largest:.0f} MB, {len(places)} scrolls drawn"
    )
    assert heap < HEAP_MB
    assert figures["Nodes"] < NODES
    assert ops.page.locator("tbody[data-new] tr").count() <= ROWS_KEPT
    assert len(set(places)) > 2, "the page scrolls while events come"
