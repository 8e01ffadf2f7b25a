"""Puts the web application together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from confluent_kafka import KafkaException
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, compile_path

from postavka.domain.tax_register import open_register
from postavka.kernel.blobs import open_blobs
from postavka.kernel.errors import ServerAway
from postavka.kernel.privacy.master import master_key
from postavka.kernel.process import liveness
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import Settings, database_url
from postavka.web import authorization, personal, probes
from postavka.web.assets import Assets
from postavka.web.authorization import NotSignedIn
from postavka.web.commands import Commands, NotSentYet
from postavka.web.cursor import BadCursor
from postavka.web.database import Database
from postavka.web.guard import Guard
from postavka.web.housekeeping import keep_house
from postavka.web.live import Live
from postavka.web.openid import Provider, cookie_key
from postavka.web.planned.sender import PlannedSender
from postavka.web.problem import Problem, of_status, of_validation, problem
from postavka.web.recently import Recently
from postavka.web.rendering import Rendering, page
from postavka.web.settings import WebSettings
from postavka.web.sign_in.return_to import sign_in_again
from postavka.web.site import Site
from postavka.web.state import Web
from postavka.web.throttle import Throttle, TooMany
from postavka.web.visitor import Visitors

log = logger(__name__)

BEAT_SECONDS = 5.0
LOOP = "the event loop"
"""What must not stand for long, by its name for the watch over this process."""
OWN = frozenset(("/healthz", "/livez", "/readyz", "/metrics", "/static/{name:path}"))
"""Routes that need no word about who may use them."""


def assemble(kernel: Settings, config: WebSettings, sites: Sequence[Site]) -> FastAPI:
    """The application with all sites; it connects when it starts. Raises when a route doesn't say who may use it."""
    assets = Assets(each.package for each in sites)
    entries = [entry for site in sites for entry in site.navigation]
    channels = [site.changes_channel for site in sites if site.changes_channel]
    conninfo = database_url(kernel)
    personal.use(kernel)
    parts = Web(
        config,
        kernel,
        Database(conninfo, config.database_connections),
        Commands(kernel, config.send_seconds),
        Live(conninfo, channels, config.live_streams, config.live_streams_each),
        Throttle(config),
        open_register(),
        Rendering([each.package for each in sites], assets, entries, config.support_email),
        Recently(),
        Provider(config, cookie_key(master_key(kernel))) if config.oidc_issuer else None,
        open_blobs(kernel),
        conninfo,
    )
    sender = PlannedSender(parts, [kind for site in sites for kind in site.commands])
    watched = probes.routes([site.ready for site in sites if site.ready])
    app = FastAPI(
        title="Postavka",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lambda app: _lifespan(app, watched, sender, sites),
        redirect_slashes=False,
    )
    app.state.web = parts
    for site in sites:
        for router in site.routers:
            app.include_router(router)
    if config.probes_port is None:
        app.router.routes.extend(watched)
    app.add_route("/static/{name:path}", assets.serve)
    _add_error_pages(app)
    authorization.check_routes(app, OWN)
    for site in sites:
        for middleware in site.middleware:
            app.add_middleware(middleware, database=parts.database, conninfo=conninfo)
    app.add_middleware(Visitors, database=parts.database, config=config)
    larger = {path: most for site in sites for path, most in site.larger_bodies.items()}
    app.add_middleware(Guard, config=config, broken=_broken, larger=larger)  # the last one added is the outermost
    return app


@asynccontextmanager
async def _lifespan(
    app: FastAPI, watched: Sequence[Route], sender: PlannedSender, sites: Sequence[Site]
) -> AsyncIterator[None]:
    parts: Web = app.state.web
    await parts.database.open()
    await parts.commands.start()
    await parts.live.start()
    tasks = (keep_house(parts.database, parts.config.lifetimes, sites), _beat(), sender.run())
    beside = [asyncio.create_task(each) for each in tasks]
    liveness.rest(liveness.START)
    try:
        async with probes.on_their_own(parts, watched):
            yield
    finally:
        for each in beside:
            each.cancel()
        liveness.rest(LOOP)
        await parts.live.close()
        await parts.commands.close()
        await parts.register.close()
        if parts.provider is not None:
            await parts.provider.close()
        await parts.database.close()


async def _beat() -> None:
    """The loop that serves everybody moves."""
    while True:
        liveness.beat(LOOP)
        await asyncio.sleep(BEAT_SECONDS)


def _add_error_pages(app: FastAPI) -> None:
    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101
        return answer(request, error)

    async def by_number(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        if error.status_code == 405:
            return answer(request, of_status(405, {"Allow": _methods_at(request)}))
        return answer(request, of_status(error.status_code, error.headers))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        if not _by_program(request) and any(each["loc"][:1] == ("path",) for each in error.errors()):
            return answer(request, of_status(404))
        return answer(request, of_validation(error))

    async def nobody(request: Request, _: Exception) -> Response:
        if _by_program(request):
            return answer(request, of_status(401))
        return await sign_in_again(request)

    async def too_many(request: Request, error: Exception) -> Response:
        assert isinstance(error, TooMany)  # noqa: S101
        detail = f"Повторите через {error.seconds} с."
        return answer(request, problem(429, "too-many", detail, headers={"Retry-After": str(error.seconds)}))

    async def not_sent(request: Request, _: Exception) -> Response:
        detail = "Ничего не потеряно: повторите отправку через минуту, второй заявки не будет."
        return answer(request, problem(503, "not-sent", detail, headers={"Retry-After": "5"}))

    async def away(request: Request, error: Exception) -> Response:
        log.warning("a server is away", path=request.url.path[:200], error=str(error)[:200])
        return answer(request, of_status(503, {"Retry-After": "5"}))

    async def bad_cursor(request: Request, _: Exception) -> Response:
        return answer(request, problem(400, "bad-request", "Неверное место в списке: начните его сначала."))

    app.add_exception_handler(Problem, known)
    app.add_exception_handler(HTTPException, by_number)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(NotSignedIn, nobody)
    app.add_exception_handler(TooMany, too_many)
    app.add_exception_handler(NotSentYet, not_sent)
    app.add_exception_handler(BadCursor, bad_cursor)
    for each in (KafkaException, ServerAway, psycopg.OperationalError, PoolTimeout):
        app.add_exception_handler(each, away)


def _methods_at(request: Request) -> str:
    """All methods of this path: the framework names those of one route only."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        pattern, *_ = compile_path(route.path or "")
        if pattern.fullmatch(request.url.path):
            found |= set(route.methods or ())
    found |= {"HEAD"} if "GET" in found else set()  # which the guard answers
    return ", ".join(sorted(found))


def _broken(request: Request) -> Response:
    return answer(request, of_status(500))


def answer(request: Request, error: Problem) -> Response:
    """An error as a page for people, as `application/problem+json` for programs."""
    if _by_program(request) or not hasattr(request.state, "visitor"):
        return error.response(request.url.path)
    return page(request, "error.html", error.status, error.headers, error=error)


def _by_program(request: Request) -> bool:
    return request.url.path.startswith("/api/") or "text/event-stream" in request.headers.get("accept", "")
