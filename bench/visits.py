"""The twelve pages most used, opened in a real browser that has nothing of them yet: the bytes that come over the wire,
how much moves while a page is drawn, and when its largest part is painted."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LATER = ("Font", "Fetch", "XHR", "EventSource")
"""Kinds of answers that no page is counted for: fonts are fetched once in a year, and what scripts ask for comes when
the page is there."""

FIGURES = """() => new Promise((done) => {
    let moved = 0, painted = 0
    const watch = (type, see) =>
        new PerformanceObserver((list) => list.getEntries().forEach(see)).observe({type, buffered: true})
    watch("layout-shift", (each) => { if (!each.hadRecentInput) moved += each.value })
    watch("largest-contentful-paint", (each) => { painted = each.startTime })
    const look = () => (painted ? done([moved, painted]) : requestAnimationFrame(look))
    document.fonts.ready.then(() => requestAnimationFrame(() => requestAnimationFrame(look)))
})"""


@dataclass(frozen=True, slots=True)
class UsedPage:
    """One of the pages most used: what it is called in results, whose it is, and its address."""

    name: str
    login: str
    path: str
    """`{request_id}` stands where a request is to be named that waits for its distributor."""


PARTNER, DISTRIBUTOR = "lukomor", "dist-north"
MOST_USED = (
    UsedPage("partner: requests", PARTNER, "/requests"),
    UsedPage("partner: a request", PARTNER, "/requests/{request_id}"),
    UsedPage("partner: new request", PARTNER, "/requests/new/1c8-updates-and-addons"),
    UsedPage("partner: sold deliveries", PARTNER, "/sold"),
    UsedPage("distributor: queue", DISTRIBUTOR, "/waiting"),
    UsedPage("distributor: answer", DISTRIBUTOR, "/requests/{request_id}"),
    UsedPage("operations: home", "ops", "/ops"),
    UsedPage("operations: live stream", "ops", "/ops/stream?stage=request"),
    UsedPage("operations: money", "ops", "/ops/money"),
    UsedPage("operations: dead letters", "ops", "/ops/letters"),
    UsedPage("auditor: home", "auditor", "/audit"),
    UsedPage("auditor: history", "auditor", "/audit/requests/{request_id}"),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """What one visit to a page took."""

    headers: Mapping[str, str]
    """Those of the answer that brought the page."""
    wire_bytes: int
    """Headers are counted; fonts and what a live page goes on to ask for are not."""
    moved: float
    """The sum of layout shifts (CLS)."""
    painted_ms: float
    """The time from when its address is asked for until its largest part is painted (LCP)."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. Raises `FileNotFoundError` where none is installed."""
    if CHROMIUM is None:
        raise FileNotFoundError("no Chromium on this machine: deploy/debian-packages.sh installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def sign_in(page: Page, address: str, login: str, password: str) -> None:
    """Sign in at the sign-in page, as people do."""
    page.goto(f"{address}/sign-in")
    page.get_by_label("Логин").fill(login)
    page.get_by_label("Пароль").fill(password)
    page.get_by_role("button", name="Войти", exact=True).click()
    page.wait_for_url(re.compile("^(?!.*/sign-in)"))


def visit(page: Page, url: str) -> Visit:
    """Open a page with an empty cache, and take its figures once it is painted."""
    session = page.context.new_cdp_session(page)
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}

    def answered(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"]

    def finished(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    session.on("Network.responseReceived", answered)
    session.on("Network.loadingFinished", finished)
    session.send("Network.enable")
    session.send("Network.clearBrowserCache")
    answer = page.goto(url)
    assert answer is not None
    moved, painted = page.evaluate(FIGURES)
    headers = answer.headers
    session.detach()
    counted = sum(size for each, size in sizes.items() if kinds.get(each) not in LATER)
    return Visit(headers, int(counted), moved, painted)
