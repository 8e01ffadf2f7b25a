"""The rules that hold for every answer: security headers, a bound on bodies, the origin of changing requests, a line in
the log.

Plain ASGI, so that live streams pass through unbuffered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.envelope import trace_of
from postavka.kernel.process import tracing
from postavka.kernel.process.logs import logger
from postavka.web import json_body
from postavka.web.authorization import same_origin
from postavka.web.hosts import Hosts
from postavka.web.problem import Problem, of_status, problem
from postavka.web.settings import WebSettings

log = logger(__name__)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS = "max-age=31536000; includeSubDomains"

REQUESTS = Counter("postavka_http_requests_total", "Requests answered", ["method", "status"])
SECONDS = Histogram(
    "postavka_http_request_seconds",
    "Time to the first byte of the answer",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
UNTOLD = ("/static/", "/healthz", "/livez", "/readyz", "/metrics")
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


GONE = 499
"""Status in the log and the metrics where nobody is left to answer: the client went away in the middle of its body."""


class TooLarge(HTTPException):
    """The body went over the bound while it was read. FastAPI would make any other error while reading a 400."""

    def __init__(self) -> None:
        super().__init__(413)


class TooSlow(HTTPException):
    """The body did not come in time."""

    def __init__(self) -> None:
        super().__init__(408, headers={"Connection": "close"})


class Guard:
    """The outermost layer of the application: what it refuses reaches no page."""

    def __init__(
        self, app: ASGIApp, config: WebSettings, broken: Callable[[Request], Response], larger: Mapping[str, int]
    ) -> None:
        """`larger`: paths to which more may be sent than `body_bytes`, and how much."""
        self._app, self._config, self._broken, self._larger = app, config, broken, larger
        self._hosts = Hosts(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        status = 0
        request_id = uuid4().hex[:16]
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        bodiless = method == "HEAD"
        if bodiless:
            scope["method"] = "GET"  # the same answer, without its body

        async def guarded(message: Message) -> None:
            nonlocal status, bodiless
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                if message["status"] == 200 and scope["method"] == "GET" and _has_it(headers, found.get("etag")):
                    message["status"], bodiless = 304, True
                    del found["content-length"]
                status = message["status"]
                self._set_headers(found, request_id)
                SECONDS.labels(_kind(scope["path"])).observe(time.perf_counter() - started)
            elif bodiless:
                await send({"type": "http.response.body", "body": b""})
                if message.get("more_body", False):
                    raise OSError("a stream is asked for without its body")  # ends it, as a reader that has gone would
                return
            await send(message)

        refusal = self._refusal(scope, headers)
        with (
            structlog.contextvars.bound_contextvars(request=request_id),
            _traced(scope, headers) as tell,
        ):
            try:
                if refusal is not None:
                    await refusal.response(scope["path"])(scope, receive, guarded)
                    return
                bounded = self._bounded(receive, self._most(scope))
                if _is_json(headers):
                    body = await json_body.whole(bounded)
                    if body is None:
                        raise ClientDisconnect
                    wrong = json_body.fault(body)
                    if wrong is not None:
                        await problem(400, "bad-request", wrong).response(scope["path"])(scope, receive, guarded)
                        return
                    bounded = json_body.again(body, bounded)
                await self._app(scope, bounded, guarded)
            except ClientDisconnect:
                status = status or GONE
            except (TooLarge, TooSlow) as stopped:
                if not status:
                    refused = of_status(stopped.status_code, stopped.headers)
                    await refused.response(scope["path"])(scope, receive, guarded)
            except Exception as error:
                if status:
                    raise
                log.exception("a route failed", path=scope["path"][:200], error=type(error).__name__)
                await self._broken(Request(scope))(scope, receive, guarded)
            finally:
                REQUESTS.labels(method, str(status)).inc()
                tell(getattr(scope.get("route"), "path", None), status)
                if not scope["path"].startswith(UNTOLD):
                    log.info(
                        "answered",
                        method=method,
                        path=scope["path"][:200],
                        status=status,
                        ms=round((time.perf_counter() - started) * 1000, 1),
                    )

    def _refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        if not self._hosts.knows(headers.get("host", "")):
            return problem(421, "misdirected", "Откройте кабинет по адресу, который вам дали.")
        if "\x00" in scope["path"] or b"%00" in scope.get("query_string", b""):
            return problem(400, "bad-request", "В адресе есть знак с кодом 0.")
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            return problem(400, "bad-request")
        most = self._most(scope)
        if int(length) > most:
            return problem(413, "too-large", f"Можно не больше {most} байт.")
        host = self._config.url.partition("://")[2].rstrip("/") if self._config.url else headers.get("host", "")
        if "authorization" not in headers and not same_origin(scope["method"], headers, host):
            log.warning("another site's form", path=scope["path"][:200], origin=headers.get("origin", "")[:200])
            return problem(403, "forged", "Запрос пришёл с другого сайта.")
        return None

    def _most(self, scope: Scope) -> int:
        return max(self._config.body_bytes, self._larger.get(scope["path"], 0))

    def _bounded(self, receive: Receive, most: int) -> Receive:
        left, whole = most, False
        until = asyncio.get_running_loop().time() + self._config.body_seconds

        async def bounded() -> Message:
            nonlocal left, whole
            if whole:  # a page that waits for its reader to go away
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise TooSlow from None
            if message["type"] == "http.request":
                left -= len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if left < 0:
                    raise TooLarge
            return message

        return bounded

    def _set_headers(self, headers: MutableHeaders, request_id: str) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers["X-Request-Id"] = request_id
        if self._config.secure:
            headers.setdefault("Strict-Transport-Security", HSTS)
        headers.setdefault("Cache-Control", "no-store")


@contextmanager
def _traced(scope: Scope, headers: Headers) -> Iterator[Callable[[str | None, int], None]]:
    """A span for what somebody asks or does; none for what browsers and supervisors fetch, nor for live streams, which
    last an hour. A client's own `traceparent` is gone on with."""
    if scope["path"].startswith(UNTOLD) or "text/event-stream" in headers.get("accept", ""):
        yield lambda route, status: None
        return
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    with tracing.answering(method, trace_of([("traceparent", headers.get("traceparent", "").encode())])) as tell:
        yield tell


def _has_it(headers: Headers, etag: str | None) -> bool:
    """Does the reader hold this version already (`If-None-Match`, RFC 9110, 13.1.2)?"""
    asked = headers.get("if-none-match")
    if asked is None or etag is None:
        return False
    return asked.strip() == "*" or etag in (each.strip().removeprefix("W/") for each in asked.split(","))


def _is_json(headers: Headers) -> bool:
    """Is the body said to be JSON? Bodies of that kind are judged before anybody reads them."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _kind(path: str) -> str:
    return "static" if path.startswith("/static/") else "api" if path.startswith("/api/") else "page"
