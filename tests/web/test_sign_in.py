"""Signing in (L3): cookies, sessions and their ends, guessing, forged forms, forms that outlive their session."""

from __future__ import annotations

import html
import re
import statistics
import time
from collections.abc import Iterator
from uuid import uuid4

import httpx2
import psycopg
import pytest
import uvicorn

from postavka.app.web import create_app
from postavka.app.web.__main__ import serve
from postavka.kernel.settings import Settings
from postavka.web.identity import users
from postavka.web.identity.principal import Role
from postavka.web.identity.sample import PASSWORD, SampleAccountsInPublic, with_known_password
from postavka.web.settings import WebSettings
from tests.web.conftest import Site, served

WRONG = "Неверный логин или пароль."


@pytest.fixture
def strict(web_database: str, kernel: Settings) -> Iterator[Site]:
    """With limits that a test can reach, and its own counters."""
    config = WebSettings(failures_per_account=3, failures_per_device=3, failures_per_address=1_000, _env_file=None)
    with served(create_app(kernel, config), web_database, kernel) as running:
        yield running


def test_who_signs_in_begins_where_its_role_works(site: Site):
    for login, home in (("lukomor", "/requests"), ("dist-north", "/waiting")):
        browser = site.person(login)
        assert browser.get("/").headers["location"] == home
        assert browser.get(home).status_code == 200


def test_a_page_asked_for_before_signing_in_is_returned_to(site: Site):
    browser = site.person()
    asked = browser.get("/requests", params={"q": "завод"})
    assert asked.status_code == 303
    form = browser.get(asked.headers["location"])
    target = re.search(r'name="next" value="([^"]*)"', form.text)
    assert target
    assert html.unescape(target[1]).startswith("/requests?q=")
    done = browser.sign_in("lukomor", next=html.unescape(target[1]))
    assert done.headers["location"].startswith("/requests?q=")


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_never_to_another_site(site: Site, next: str):
    assert site.person().sign_in("lukomor", next=next).headers["location"] == "/"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site):
    browser = site.person()
    done = browser.sign_in("lukomor")
    cookies = done.headers.get_list("set-cookie")
    session = next(each for each in cookies if each.startswith("postavka-session="))
    assert "HttpOnly" in session
    assert "SameSite=Lax" in session
    assert "Path=/" in session
    secret = session.split("=", 1)[1].split(";")[0]
    assert len(secret) >= 43  # 256 bits
    stored = site.sql("SELECT count(*) FROM accounts.sessions WHERE position(%s in sessions::text) > 0", secret)
    assert stored == [(0,)], "the database knows the secret itself"


def test_behind_https_cookies_are_secure_and_bound_to_the_host(web_database: str, kernel: Settings):
    config = WebSettings(url="https://cabinet.example", _env_file=None)
    with served(create_app(kernel, config), web_database, kernel) as behind:
        answer = behind.person().get("/sign-in")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-visitor=")
        assert "Secure" in cookie
        assert "Domain" not in cookie
        assert "max-age" in answer.headers["strict-transport-security"]


def test_every_sign_in_has_a_new_id_and_the_old_one_is_dead(site: Site):
    browser = site.person("lukomor")
    first = browser.cookies["postavka-session"]
    assert browser.submit("/sign-out", page="/account").status_code == 303
    browser.sign_in("lukomor")
    assert browser.cookies["postavka-session"] != first
    thief = site.person()
    thief.cookies.set("postavka-session", first)
    assert thief.get("/requests").headers["location"].startswith("/sign-in")


def test_the_id_changes_as_time_goes_by_and_the_form_that_is_open_still_works(site: Site):
    browser = site.person("lukomor")
    first, token = browser.cookies["postavka-session"], browser.csrf("/account")
    site.sql("UPDATE accounts.sessions SET rotated_at = rotated_at - interval '16 minutes'")
    assert browser.get("/requests").status_code == 200
    second = browser.cookies["postavka-session"]
    assert second != first
    under_way = site.person()
    under_way.cookies.set("postavka-session", first)
    assert under_way.get("/requests").status_code == 200, "a request under way is not thrown out"
    done = browser.post("/account/sessions/end-others", data={"csrf": token})
    assert done.status_code == 303
    site.sql("UPDATE accounts.sessions SET rotated_at = rotated_at - interval '2 minutes'")
    late = site.person()
    late.cookies.set("postavka-session", first)
    assert late.get("/requests").status_code == 303, "and after a minute it is gone"


@pytest.mark.parametrize("column", ["seen_at", "created_at"])
def test_a_session_ends_without_use_and_ends_anyway(site: Site, column: str):
    browser = site.person("romashka-it")
    assert browser.get("/requests").status_code == 200
    site.sql(f"UPDATE accounts.sessions SET {column} = now() - interval '13 hours'")  # noqa: S608
    assert browser.get("/requests").status_code == 303


def test_a_disabled_user_is_out_at_once(site: Site):
    browser = site.person("ip-berezin")
    site.sql("UPDATE accounts.users SET disabled_at = now() WHERE login = 'ip-berezin'")
    try:
        assert browser.get("/requests").status_code == 303
        refused = site.person().sign_in("ip-berezin")
        assert refused.status_code == 401
        assert WRONG in refused.text
    finally:
        site.sql("UPDATE accounts.users SET disabled_at = NULL WHERE login = 'ip-berezin'")


def test_sessions_are_listed_and_can_be_ended_one_by_one(site: Site):
    here, there = site.person("tihaya-gavan"), site.person("tihaya-gavan", **{"User-Agent": "Firefox/150 Linux"})
    shown = here.get("/account").text
    assert "Firefox, Linux" in shown
    ends = re.findall(r"/account/sessions/([0-9a-f-]{36})/end", shown)
    assert len(ends) == 1, "one's own session is not among them"
    assert here.submit(f"/account/sessions/{ends[0]}/end").status_code == 303
    assert there.get("/requests").status_code == 303
    assert here.get("/requests").status_code == 200


def test_nobody_ends_anothers_session(site: Site):
    stranger, victim = site.person("lukomor"), site.person("romashka-it")
    theirs = site.sql(
        "SELECT session_id FROM accounts.sessions JOIN accounts.users USING (user_id) WHERE login = 'romashka-it'"
    )
    for (session_id,) in theirs:
        assert stranger.submit(f"/account/sessions/{session_id}/end").status_code == 404
    assert victim.get("/requests").status_code == 200


def test_a_wrong_password_and_an_unknown_user_are_answered_alike(site: Site):
    answers, times = {}, {}
    for login in ("lukomor", "nobody-of-this-name", "tihaya-gavan"):
        browser = site.person()
        token = browser.csrf()
        took = []
        for _ in range(4):
            started = time.perf_counter()
            answer = browser.post("/sign-in", data={"csrf": token, "login": login, "password": "wrong password"})
            took.append(time.perf_counter() - started)
        assert answer.status_code == 401
        answers[login] = answer.text.replace(login, "…").replace(token, "…")
        times[login] = statistics.median(took)
    assert len(set(answers.values())) == 1
    assert WRONG in answers["lukomor"]
    # No timing is asserted but that neither skips the hashing, which takes far longer than all the rest.
    assert times["nobody-of-this-name"] > times["lukomor"] / 4


def test_strangers_lock_an_account_for_strangers_only(strict: Site):
    owner = strict.person("romashka-it")  # this browser is known from now on
    owner.submit("/sign-out", page="/account")
    stranger = strict.person()
    token = stranger.csrf()
    guesses = [
        stranger.post("/sign-in", data={"csrf": token, "login": "romashka-it", "password": f"guess {number}"})
        for number in range(5)
    ]
    assert [each.status_code for each in guesses] == [401, 401, 401, 429, 429]
    assert int(guesses[-1].headers["retry-after"]) > 0
    assert strict.person().sign_in("romashka-it").status_code == 429, (
        "even with the right password, by a new browser here"
    )
    assert owner.sign_in("romashka-it").status_code == 303, "but not where the owner always signs in"
    elsewhere = strict.person(**{"X-Forwarded-For": "198.51.100.7"})
    assert elsewhere.sign_in("romashka-it").status_code == 303, "nor by a new browser at another address"


def test_guessing_at_one_account_from_everywhere_comes_to_an_end(strict: Site):
    login, codes = f"nobody-{uuid4().hex[:8]}", []
    for number in range(16):
        browser = strict.person(**{"X-Forwarded-For": f"198.51.100.{number}"})
        codes += [browser.sign_in(login, "guess").status_code for _ in range(2)]
    assert codes == [401] * 30 + [429] * 2, "ten times what one address may"


def test_an_address_of_ipv6_is_a_whole_network(strict: Site):
    login = f"nobody-{uuid4().hex[:8]}"
    codes = [
        strict.person(**{"X-Forwarded-For": f"2001:db8:1:2::{number}"}).sign_in(login, "guess").status_code
        for number in range(4)
    ]
    assert codes == [401, 401, 401, 429]
    neighbour = strict.person(**{"X-Forwarded-For": "2001:db8:1:3::1"})
    assert neighbour.sign_in(login, "guess").status_code == 401


def test_the_present_password_is_guessed_at_only_so_often(strict: Site):
    """From a stolen session, whatever browser its thief says that it is."""
    browser = strict.person("lukomor")
    codes = []
    for number in range(4):
        browser.cookies.set("postavka-device", f"made-up-{number}")
        codes.append(browser.submit("/account/password", {"password": "guess"}).status_code)
    assert codes == [422, 422, 422, 429]


def test_a_known_browser_can_be_guessed_in_only_so_often(strict: Site):
    owner = strict.person("lukomor")
    owner.submit("/sign-out", page="/account")
    assert [owner.sign_in("lukomor", "wrong").status_code for _ in range(4)] == [401, 401, 401, 429]


def test_an_unknown_account_is_locked_like_a_known_one(strict: Site):
    browser = strict.person()
    token, login = browser.csrf(), f"nobody-{uuid4().hex[:8]}"
    codes = [
        browser.post("/sign-in", data={"csrf": token, "login": login, "password": "x"}).status_code for _ in range(4)
    ]
    assert codes == [401, 401, 401, 429]


def test_one_address_may_fail_only_so_often(web_database: str, kernel: Settings):
    config = WebSettings(failures_per_address=4, _env_file=None)
    with served(create_app(kernel, config), web_database, kernel) as running:
        browser = running.person()
        token = browser.csrf()
        codes = [
            browser.post("/sign-in", data={"csrf": token, "login": f"user-{number}", "password": "x"}).status_code
            for number in range(5)
        ]
        assert codes == [401] * 4 + [429]


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({}, ""),
        ({}, "0" * 64),
        ({"Origin": "https://evil.example"}, None),
        ({"Origin": "null"}, None),
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({"Sec-Fetch-Site": "same-site"}, None),
    ],
    ids=["no token", "wrong token", "another origin", "hidden origin", "another site", "a sister domain"],
)
def test_a_form_of_another_site_changes_nothing(site: Site, headers: dict[str, str], field: str | None):
    browser = site.person("lukomor")
    token = browser.csrf("/account") if field is None else field
    refused = browser.post("/sign-out", data={"csrf": token}, headers=headers)
    assert refused.status_code == 403
    assert browser.get("/requests").status_code == 200


def test_the_token_of_another_session_is_no_token(site: Site):
    one, other = site.person("lukomor"), site.person("romashka-it")
    assert one.post("/sign-out", data={"csrf": other.csrf("/account")}).status_code == 403


def test_a_token_may_do_what_was_ticked_and_nothing_else(site: Site):
    browser = site.person("lukomor")
    refused = browser.submit("/account/tokens", {"name": "Ничего", "days": "10"})
    assert refused.status_code == 422
    assert "Выберите, что токену можно делать." in refused.text
    assert site.sql("SELECT count(*) FROM accounts.tokens WHERE name = 'Ничего'") == [(0,)]


def test_what_was_typed_outlives_the_session(site: Site):
    browser = site.person("dist-north")
    token = browser.csrf("/account")
    site.sql("DELETE FROM accounts.sessions")
    name = 'Обмен с «1С» & "кавычки"'
    lost = browser.post(
        "/account/tokens", data={"csrf": token, "name": name, "days": "30", "scope": ["read", "confirm"]}
    )
    assert lost.status_code == 401
    fields = re.findall(r'name="(carried[^"]*)" value="([^"]*)"', lost.text)
    assert ("carried.name", html.escape(name, quote=True)) in [
        (key, value.replace("&#34;", "&quot;")) for key, value in fields
    ]
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', lost.text)
    assert found
    form = [(key, html.unescape(value)) for key, value in fields]
    form += [("csrf", found[1]), ("login", "dist-north"), ("password", PASSWORD)]
    carried_to = re.search(r'name="carried-to" value="([^"]*)"', lost.text)
    assert carried_to
    again = browser.post("/sign-in", data=_multi([*form, ("carried-to", carried_to[1])]))
    assert again.status_code == 200
    assert 'action="/account/tokens"' in again.text
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', again.text)
    main = again.text.index('action="/account/tokens"')
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', again.text[main:])
    done = browser.post("/account/tokens", data=_multi([(key, html.unescape(value)) for key, value in fields]))
    assert done.status_code == 200
    assert "pst_" in done.text
    assert site.sql("SELECT scopes FROM accounts.tokens WHERE name = %s", name) == [(["confirm", "read"],)]


def test_a_program_of_a_page_is_told_plainly(site: Site):
    lost = site.person().post("/account/tokens", data={"name": "x"}, headers={"HX-Request": "true"})
    assert lost.status_code == 401
    assert lost.headers["hx-retarget"] == "body"


def test_a_password_is_changed_by_who_knows_it_and_ends_other_sessions(site: Site):
    site.sql("DELETE FROM accounts.devices")
    browser, other = site.person("dist-ural"), site.person("dist-ural")
    new = "длинная фраза из слов"

    def change(present: str, wanted: str, again: str | None = None) -> httpx2.Response:
        return browser.submit(
            "/account/password",
            {"password": present, "new-password": wanted, "new-password-again": wanted if again is None else again},
        )

    assert "неверен" in change("не тот", new).text
    assert "не совпадают" in change(PASSWORD, new, new + "!").text
    assert "короткий" in change(PASSWORD, "1234567").text
    assert "известен" in change(PASSWORD, "password1").text
    assert change(PASSWORD, new).status_code == 303
    try:
        assert browser.get("/waiting").status_code == 200
        assert other.get("/waiting").status_code == 303
        assert site.person().sign_in("dist-ural").status_code == 401
        assert site.person().sign_in("dist-ural", new).status_code == 303
    finally:
        site.sql(
            "UPDATE accounts.users SET password_hash = (SELECT password_hash FROM accounts.users WHERE login = 'ops') "
            "WHERE login = 'dist-ural'"
        )


def test_what_has_expired_is_swept(site: Site, kernel: Settings):
    site.person("lukomor")
    site.sql("UPDATE accounts.sessions SET created_at = now() - interval '2 days'")
    site.sql("INSERT INTO accounts.answers (owner, key, fingerprint, started_at) VALUES ('x', 'old', '', '2026-01-01')")
    fresh = site.person("lukomor")
    with served(create_app(kernel, WebSettings(_env_file=None)), site.database, kernel) as starting:
        for _ in range(100):
            left = starting.sql("SELECT count(*) FROM accounts.sessions WHERE created_at < now() - interval '1 day'")
            if left == [(0,)]:
                break
            time.sleep(0.1)
    assert left == [(0,)]
    assert site.sql("SELECT count(*) FROM accounts.answers WHERE key = 'old'") == [(0,)]
    assert fresh.get("/requests").status_code == 200


def _multi(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    gathered: dict[str, list[str]] = {}
    for key, value in pairs:
        gathered.setdefault(key, []).append(value)
    return gathered


async def test_sample_accounts_of_partners_that_are_gone_are_found(web_database: str):
    async with await psycopg.AsyncConnection.connect(web_database) as connection:
        await users.add(
            connection, login="gone-partner", name="Ушедший", role=Role.PARTNER, partner_id="gone-partner",
            password=PASSWORD, checked=False,
        )  # fmt: skip
    assert "gone-partner" in await with_known_password(web_database)
    async with await psycopg.AsyncConnection.connect(web_database) as connection:
        await users.disable(connection, "gone-partner")
    assert "gone-partner" not in await with_known_password(web_database)


def test_nothing_is_served_in_public_while_an_account_has_the_sample_password(
    kernel: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("POSTAVKA_WEB_URL", "https://cabinet.example.ru")
    monkeypatch.setenv("POSTAVKA_WEB_SAMPLE_ACCOUNTS", "false")
    monkeypatch.setattr(uvicorn, "run", lambda *_, **__: None)
    with pytest.raises(SampleAccountsInPublic, match="lukomor"):
        serve(kernel)
    monkeypatch.setenv("POSTAVKA_WEB_URL", "http://127.0.0.1:8080")
    serve(kernel)
