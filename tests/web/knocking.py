"""Who knocks at every door, and how: the actors, and one knock at a route with the ids of given things."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import uuid4

import httpx2
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from postavka.web.application import OWN
from tests.web.conftest import Person, Site
from tests.web.matrix import Case

OWNERS = {"lukomor", "dist-north", "ops", "auditor"}
"""Who may see the request of these tests at all."""
PEOPLE = (
    ("lukomor", "partner"),
    ("romashka-it", "partner"),
    ("dist-north", "distributor"),
    ("dist-ural", "distributor"),
    ("ops", "ops"),
    ("auditor", "auditor"),
)
"""Login and role of those who sign in with a browser."""
PROGRAMS = (
    ("lukomor", "partner"),
    ("romashka-it", "partner"),
    ("dist-north", "distributor"),
    ("dist-ural", "distributor"),
)
"""Tenant and role of those who come with a token."""


@dataclass
class Actor:
    """Somebody who knocks at every door."""

    name: str
    role: str
    client: httpx2.Client
    program: bool = False

    def headers(self, case: Case) -> dict[str, str]:
        """What its browser or program sends beside the body."""
        headers = {"Idempotency-Key": f'"{uuid4()}"'} if case.key else {}
        if (case.json is not None and not self.program) or (not self.program and case.form is None):
            headers["X-CSRF-Token"] = self.csrf
        return headers

    @cached_property
    def csrf(self) -> str:
        """The token of its browser's forms."""
        assert isinstance(self.client, Person)
        return self.client.csrf("/account" if self.role != "visitor" else "/sign-in")


def make_actors(site: Site) -> list[Actor]:
    """All of them, signed in; the visitor is last."""
    people = [Actor(login, role, site.person(login)) for login, role in PEOPLE]
    programs = [Actor(tenant, role, site.program(site.token(tenant)), True) for tenant, role in PROGRAMS]
    return [*people, *programs, Actor("visitor", "visitor", site.person())]


def routes(app: FastAPI) -> set[str]:
    """`METHOD /path` of every route but the application's own."""
    return {
        f"{method} {route.path}"
        for route in iter_route_contexts(app.routes)
        if route.path not in OWN
        for method in route.methods or ()
        if method != "HEAD"
    }


def may(actor: Actor, case: Case, path: str) -> bool:
    """Does the matrix let this actor do it with the owners' things?"""
    if actor.role not in case.roles:
        return False
    if case.only is not None:
        return actor.name == case.only
    return not re.search(r"\{(request|plan|bulk)_id\}", path) or actor.name in OWNERS


def fill(path: str, things: Mapping[str, str]) -> str:
    """The address with these ids in it."""
    return re.sub(r"\{(\w+)\}", lambda match: things[match[1]], path)


def knock(actor: Actor, case: Case, method: str, path: str, **values: Any) -> httpx2.Response:
    """One request as the actor's browser or program sends it; of a stream that is opened the head alone. `values` go to
    the client beside what the case says."""
    values["headers"] = actor.headers(case) | values.get("headers", {})
    if case.form is not None:
        values["data"] = {**case.form, **({} if actor.program else {"csrf": actor.csrf})}
    elif method != "GET" and case.json is not None:
        values["json"] = case.json
    if case.stream:
        with actor.client.stream(method, path, **values) as answer:
            if answer.status_code != 200:
                answer.read()
            return answer
    return actor.client.request(method, path, **values)
