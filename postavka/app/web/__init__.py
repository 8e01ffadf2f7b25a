"""The web application of this installation: all sites that the registry names, put together."""

from __future__ import annotations

from fastapi import FastAPI

from postavka.app.registry import sites
from postavka.kernel.settings import Settings
from postavka.web.application import assemble
from postavka.web.settings import WebSettings


def create_app(kernel: Settings, config: WebSettings | None = None) -> FastAPI:
    """The application with every site; it connects when it starts."""
    return assemble(kernel, config or WebSettings(), sites())
