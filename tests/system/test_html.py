"""Pages as the Nu HTML Checker judges them: whatever the links of the running whole lead each role to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
from lxml import html

from postavka.web.identity.sample import PASSWORD
from tests.browser.test_everybody import NO_PAGES
from tests.system.conftest import System
from tests.system.traffic import PLANS
from tests.validators.tools import java, packages
from tests.web.conftest import Person
from tests.web.matrix import MATRIX

PEOPLE = ("lukomor", "dist-north", "ops", "auditor", None)
"""One of each role, and a visitor."""
STARTS = ("/", "/sign-in", "/activate", "/help", "/api/problems", "/account", "/nowhere", "/audit/as-of")
OF_A_REQUEST = ("/requests/{}", "/ops/requests/{}", "/audit/requests/{}")
ALIKE = 2
"""So many pages of one route that differ in ids and queries alone are looked at for each person."""
FORMS: dict[str | None, dict[str, dict[str, str]]] = {
    None: {"/sign-in": {"login": "nobody", "password": "неверный пароль"}, "/activate": {}},
    "lukomor": {"/requests/new/1c8-updates-and-addons": {"do": "send", "inn": "1"}},
}
"""What somebody sends with mistakes: the answer is the page with its mistakes. Tries are counted, and other tests come
from the same address: no more than one of each."""


def test_nothing_is_wrong_with_any_page(system: System, tmp_path: Path):
    traffic = system.traffic()
    traffic.run(len(PLANS), 20)
    starts = (*STARTS, *(path.format(sent) for sent in list(traffic.plans)[:2] for path in OF_A_REQUEST))
    traffic = system.traffic()
    traffic.send("bank.payments", "html-1", "BankPayment.v1", {"payment_id": "html-1"})  # becomes a dead letter
    traffic.flush()
    system.settle("notices")

    address = f"http://127.0.0.1:{system.launch.ports['web.http']}"
    seen: dict[str, str] = {}
    for login in PEOPLE:
        with Person(base_url=address, timeout=60) as person:
            if login is not None:
                assert person.sign_in(login, PASSWORD).status_code == 303
            for path, text in pages_of(person, starts, FORMS.get(login, {})).items():
                name = f"{len(seen):04}.html"
                (tmp_path / name).write_text(text, "utf-8")
                seen[name] = f"{path} of {login}"
    said = java(str(packages() / "vnu-jar" / "build" / "dist" / "vnu.jar"), "--format", "json", "--stdout", tmp_path)
    found = [
        f"{seen[Path(urlsplit(each['url']).path).name]}: {each['message']} {each.get('extract', '')!r}"
        for each in json.loads(said.stdout)["messages"]
    ]
    assert found == []
    looked = {urlsplit(each.partition(" of ")[0]).path for each in seen.values()}
    assert {route for route in routes() if not any(map(route.fullmatch, looked))} == set()


def routes() -> set[re.Pattern[str]]:
    """Those that answer with pages."""
    names = (name for name in MATRIX if name.startswith("GET /") and not name.startswith("GET /api/v1/"))
    return {re.compile(re.sub(r"\{\w+\}", "[^/]+", name[4:])) for name in names if name not in NO_PAGES}


def pages_of(person: Person, starts: Iterable[str], forms: Mapping[str, dict[str, str]]) -> dict[str, str]:
    """Pages by their addresses: where links lead this person, and what answers forms with mistakes."""
    waiting, found = list(starts), dict[str, str]()
    kinds: dict[str, int] = {}
    while waiting:
        path = waiting.pop(0)
        kind = re.sub(r"[0-9a-f]{8}-[-0-9a-f]{27}|\d+", "#", path.partition("?")[0]) + "?" * ("?" in path)
        if path in found or kinds.get(kind, 0) >= ALIKE:
            continue
        with person.stream("GET", path, follow_redirects=True) as answer:
            if not is_page(answer):
                continue
            answer.read()
        kinds[kind] = kinds.get(kind, 0) + 1
        found[path] = answer.text
        links = (urlsplit(urljoin(path, link)) for link in html.fromstring(answer.text).xpath("//a/@href"))
        waiting += [each._replace(scheme="", netloc="", fragment="").geturl() for each in links if not each.netloc]
    for path, typed in forms.items():
        answer = person.submit(path, typed, page=path)
        assert is_page(answer), f"{path}: {answer.status_code}"
        found[f"POST {path}"] = answer.text
    return found


def is_page(answer: httpx2.Response) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html")
