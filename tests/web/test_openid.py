"""Signing in through an OpenID Connect provider that really runs, and through ones that lie."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_provider_mock import User, run_server_in_thread

from postavka.app.web import create_app
from postavka.kernel.settings import Settings
from postavka.web.settings import WebSettings
from tests.web.conftest import Person, Site, served

CLIENT = "postavka"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """With users of our logins, and one whose address it has not verified."""
    people = [
        User(sub="s-1", claims={"email": "lukomor", "email_verified": True}),
        User(sub="s-2", claims={"email": "romashka-it", "email_verified": False}),
        User(sub="s-3", claims={"email": "nobody@example.ru", "email_verified": True}),
        User(sub="s-4", claims={"email": "lukomor", "email_verified": True}),
    ]
    with run_server_in_thread(require_nonce=True, user_claims=people) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def site(provider: str, web_database: str, kernel: Settings) -> Iterator[Site]:
    port = free_port()
    config = WebSettings(
        url=f"http://127.0.0.1:{port}", oidc_issuer=provider, oidc_client_id=CLIENT, oidc_client_secret="s",
        _env_file=None,
    )  # fmt: skip
    with served(create_app(kernel, config), web_database, kernel, port) as running:
        yield running
        running.sql("UPDATE accounts.users SET oidc_issuer = NULL, oidc_subject = NULL")


def through(site: Site, subject: str, browser: Person | None = None) -> httpx2.Response:
    """What a person does: the button, the provider's form, back."""
    browser = browser or site.person()
    away = browser.get("/sign-in/oidc", params={"next": "/requests"})
    assert away.status_code == 303
    answer = httpx2.post(away.headers["location"], data={"sub": subject})
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    return browser.get(f"{back.path}?{back.query}")


def test_whom_the_provider_knows_is_signed_in(site: Site):
    browser = site.person()
    assert "/sign-in/oidc" in browser.get("/sign-in").text
    done = through(site, "s-1", browser)
    assert done.status_code == 303
    assert done.headers["location"] == "/requests"
    assert browser.get("/api/v1/me").json()["partner_id"] == "lukomor"
    assert site.sql("SELECT oidc_subject FROM accounts.users WHERE login = 'lukomor'") == [("s-1",)]


def test_the_request_has_state_nonce_and_a_hashed_verifier(site: Site):
    browser = site.person()
    away = browser.get("/sign-in/oidc")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(away.headers["location"]).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 32
    cookie = next(each for each in away.headers.get_list("set-cookie") if "oidc" in each)
    assert "HttpOnly" in cookie
    sealed = cookie.split("=", 1)[1].split(";")[0]
    assert asked["state"] not in sealed
    assert asked["state"].encode() not in base64.urlsafe_b64decode(sealed), "nobody else reads it"


@pytest.mark.parametrize("subject", ["s-2", "s-3"], ids=["address not verified", "no account here"])
def test_whom_we_do_not_know_is_not_let_in(site: Site, subject: str):
    browser = site.person()
    assert through(site, subject, browser).status_code == 401
    assert browser.get("/api/v1/me").status_code == 401


def test_a_second_person_with_the_same_address_is_not_the_first(site: Site):
    through(site, "s-1")
    assert through(site, "s-4").status_code == 401


def test_a_disabled_user_is_not_let_in(site: Site):
    site.sql("UPDATE accounts.users SET disabled_at = now() WHERE login = 'lukomor'")
    try:
        assert through(site, "s-1").status_code == 401
    finally:
        site.sql("UPDATE accounts.users SET disabled_at = NULL WHERE login = 'lukomor'")


def test_another_browsers_answer_is_not_taken(site: Site):
    """Sign-in CSRF: a stranger's code in a victim's browser."""
    stranger, victim = site.person(), site.person()
    away = stranger.get("/sign-in/oidc")
    back = urlsplit(httpx2.post(away.headers["location"], data={"sub": "s-1"}).headers["location"])
    assert victim.get(f"{back.path}?{back.query}").status_code == 401, "without having asked"
    victim.get("/sign-in/oidc")
    assert victim.get(f"{back.path}?{back.query}").status_code == 401, "with another state"
    assert victim.get("/api/v1/me").status_code == 401


def test_an_answer_is_good_once(site: Site):
    browser = site.person()
    away = browser.get("/sign-in/oidc")
    back = urlsplit(httpx2.post(away.headers["location"], data={"sub": "s-1"}).headers["location"])
    assert browser.get(f"{back.path}?{back.query}").status_code == 303
    assert browser.get(f"{back.path}?{back.query}").status_code == 401


def test_a_provider_that_refuses_is_told_plainly(site: Site):
    browser = site.person()
    browser.get("/sign-in/oidc")
    refused = browser.get("/sign-in/oidc/back", params={"error": "access_denied", "state": "x"})
    assert refused.status_code == 401
    assert "Войти не удалось" in refused.text


# A provider that lies


@dataclass
class Liar:
    """Answers like a provider; a test says what is wrong with its ID token."""

    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, parameters={"kid": "1", "alg": "RS256"}))
    change: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""
    signed_by: RSAKey | None = None
    unsigned: bool = False

    def answer(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.change.get("metadata_issuer", self.issuer),
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        if path == "/keys":
            strange = {"kty": "EC", "crv": "GOST-256", "kid": "g", "x": "AA", "y": "AA"}
            return {"keys": [strange, "no key", self.key.as_dict(private=False)]}
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "liar-1",
            "exp": int(time.time()) + 300,
            "iat": int(time.time()),
            "nonce": self.nonce,
            "email": "dist-north",
            "email_verified": True,
        } | {name: value for name, value in self.change.items() if name != "metadata_issuer"}
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.unsigned:
            parts = [{"alg": "none"}, claims]
            token = ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts)
            return {"id_token": token + "."}
        return {"id_token": jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signed_by or self.key)}


@pytest.fixture
def liar() -> Iterator[Liar]:
    made = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(made.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()


LIES: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "somebody-else"},
    "several audiences, not authorized": {"aud": [CLIENT, "other"], "azp": "other"},
    "expired": {"exp": 1_000_000_000},
    "no expiry": {"exp": None},
    "from the future": {"iat": 4_000_000_000},
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another issuer": {"iss": "https://login.example"},
    "no subject": {"sub": None},
    "address not verified": {"email_verified": False},
    "address verified by a word": {"email_verified": "true"},
    "metadata of another": {"metadata_issuer": "https://login.example"},
}


@pytest.mark.parametrize("lie", [None, *LIES, "signed by another key", "not signed"])
def test_what_does_not_hold_is_not_believed(liar: Liar, lie: str | None, web_database: str, kernel: Settings):
    port = free_port()
    config = WebSettings(url=f"http://127.0.0.1:{port}", oidc_issuer=liar.issuer, oidc_client_id=CLIENT, _env_file=None)
    liar.change = LIES.get(lie or "", {})
    if lie == "signed by another key":
        liar.signed_by = RSAKey.generate_key(2048, parameters={"kid": "1"})
    liar.unsigned = lie == "not signed"
    with served(create_app(kernel, config), web_database, kernel, port) as running:
        browser = running.person()
        away = browser.get("/sign-in/oidc")
        if lie == "metadata of another":
            assert away.status_code == 503
            return
        asked = parse_qs(urlsplit(away.headers["location"]).query)
        liar.nonce = asked["nonce"][0]
        back = browser.get("/sign-in/oidc/back", params={"state": asked["state"][0], "code": "c"})
        assert back.status_code == (303 if lie is None else 401)
        assert browser.get("/api/v1/me").status_code == (200 if lie is None else 401)
        running.sql("UPDATE accounts.users SET oidc_issuer = NULL, oidc_subject = NULL")


def ago(seconds: float) -> int:
    return int(time.time() - seconds)


@pytest.mark.parametrize(
    ("claims", "let_in"),
    [
        ({"acr": "two-factors", "auth_time": 0}, True),
        ({"acr": "smart-card", "auth_time": 3_000}, True),
        ({"acr": "password", "auth_time": 0}, False),
        ({"auth_time": 0}, False),
        ({"acr": ["two-factors"], "auth_time": 0}, False),
        ({"acr": "two-factors", "auth_time": 4_000}, False),
        ({"acr": "two-factors", "auth_time": -600}, False),
        ({"acr": "two-factors"}, False),
    ],
    ids=[
        "strong",
        "another strong one",
        "weak",
        "not said",
        "a list",
        "long ago",
        "in the future",
        "nobody knows when",
    ],
)
def test_who_must_sign_in_strongly_and_lately_is_held_to_it(
    liar: Liar, claims: dict[str, Any], let_in: bool, web_database: str, kernel: Settings
):
    """`auth_time` stands here as seconds ago."""
    port = free_port()
    config = WebSettings(
        url=f"http://127.0.0.1:{port}", oidc_issuer=liar.issuer, oidc_client_id=CLIENT,
        oidc_acr_values="two-factors smart-card", oidc_max_age=3_600, _env_file=None,
    )  # fmt: skip
    liar.change = claims | ({"auth_time": ago(claims["auth_time"])} if "auth_time" in claims else {})
    with served(create_app(kernel, config), web_database, kernel, port) as running:
        browser = running.person()
        asked = parse_qs(urlsplit(browser.get("/sign-in/oidc").headers["location"]).query)
        assert asked["acr_values"] == ["two-factors smart-card"]
        assert asked["max_age"] == ["3600"]
        liar.nonce = asked["nonce"][0]
        back = browser.get("/sign-in/oidc/back", params={"state": asked["state"][0], "code": "c"})
        assert back.status_code == (303 if let_in else 401)
        assert browser.get("/api/v1/me").status_code == (200 if let_in else 401)
        running.sql("UPDATE accounts.users SET oidc_issuer = NULL, oidc_subject = NULL")


def test_nothing_of_it_is_asked_for_where_nothing_is_set(site: Site):
    asked = parse_qs(urlsplit(site.person().get("/sign-in/oidc").headers["location"]).query)
    assert not {"acr_values", "max_age"} & asked.keys()


def test_the_button_is_there_only_with_a_provider(web_database: str, kernel: Settings):
    with served(create_app(kernel, WebSettings(_env_file=None)), web_database, kernel) as running:
        assert "oidc" not in running.person().get("/sign-in").text
        assert running.person().get("/sign-in/oidc").status_code == 404


def test_the_redirect_is_an_absolute_address_of_ours(site: Site):
    away = site.person().get("/sign-in/oidc")
    redirect = parse_qs(urlsplit(away.headers["location"]).query)["redirect_uri"][0]
    assert re.fullmatch(rf"{re.escape(site.url)}/sign-in/oidc/back", redirect)
