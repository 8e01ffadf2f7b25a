"""What can be said of accounts and lists without a server: passwords, timelines, cursors, words, addresses."""

from __future__ import annotations

import asyncio
import base64
from contextlib import nullcontext
from uuid import UUID, uuid4

import pytest

from postavka.web import cursor
from postavka.web.authorization import same_origin
from postavka.web.identity import passwords
from postavka.web.identity.principal import SCOPES, Principal, Role
from postavka.web.identity.sample import SampleAccountsInPublic, refuse_in_public
from postavka.web.navigation import Entry, entries_for
from postavka.web.openid import Started, cookie_key
from postavka.web.pages.account import browser
from postavka.web.search import Search
from postavka.web.settings import WebSettings, is_public
from postavka.web.sign_in.return_to import bounded, carried_in, own_path
from postavka.web.throttle import Throttle, TooMany
from services.cabinet.timeline import timeline

NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    "password",
    [
        "a-phrase-of-words",
        "пароль из слов",
        "п" * 7 + "Яж",
        "x9$kQ2!z",
        "😀 emoji too",
        "a" * 3 + "bc" * 100,
        "        яx",
    ],
)
def test_long_or_odd_passwords_are_welcome(password: str):
    passwords.check(password, "lukomor")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("1234567", "короткий"),
        ("", "короткий"),
        ("password1", "известен"),
        ("PASSWORD1", "известен"),
        ("йцукенгшщз", "известен"),
        ("aaaaaaaaaaaa", "известен"),
        ("abababababab", "известен"),
        ("vetrova-alina", "логином"),
        ("x" * 150 + "yz" * 60, "длинный"),
    ],
)
def test_bad_passwords_are_refused_with_the_reason(password: str, why: str):
    with pytest.raises(passwords.WeakPassword, match=why):
        passwords.check(password, "vetrova-alina")


async def test_a_password_fits_its_hash_only_and_however_it_is_composed():
    stored = await passwords.make_hash("парольй")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify("парольи\u0306", stored) == (True, None)
    assert (await passwords.verify("парольи", stored))[0] is False
    assert await passwords.verify("парольй", None) == (False, None)


async def test_a_hash_with_old_parameters_is_made_anew():
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    old = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8_192),)).hash("a phrase of words")
    fits, fresh = await passwords.verify("a phrase of words", old)
    assert fits
    assert fresh is not None
    assert "m=19456" in fresh


@pytest.mark.parametrize("path", ["/requests", "/requests?q=%D0%B0&status=shipped", "/"])
def test_own_paths_are_returned_to(path: str):
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", None, "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\n/x", "requests",
     "/sign-in", "/sign-out", "/api/v1/me", "/" + "x" * 2000],
)  # fmt: skip
def test_others_are_not(path: str | None):
    assert own_path(path) == "/"


def test_passwords_and_tokens_are_never_carried():
    fields = [
        ("csrf", "x"),
        ("new-password", "x"),
        ("password", "x"),
        ("comment", "да"),
        ("scope", "a"),
        ("scope", "b"),
    ]
    assert bounded(fields) == [("comment", "да"), ("scope", "a"), ("scope", "b")]
    assert bounded([("comment", "x" * 70_000)]) == []
    assert carried_in([("carried.comment", "да"), ("login", "x"), ("carried.password", "x")]) == [("comment", "да")]


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({}, True),
        ({"origin": "https://cabinet.example"}, True),
        ({"origin": "https://cabinet.example:8443"}, False),
        ({"origin": "https://cabinet.example.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site", "origin": "https://cabinet.example"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
    ],
)
def test_only_our_own_pages_change_things(headers: dict[str, str], ours: bool):
    assert same_origin("POST", headers, "cabinet.example") is ours
    assert same_origin("GET", headers, "cabinet.example")


def test_a_cursor_comes_back_as_it_went():
    request_id = uuid4()
    place = ("2026-03-16T09:30:00.000000Z", request_id)
    assert cursor.decode(cursor.encode(*place)) == place


@pytest.mark.parametrize("text", ["", "x", "%%%", "W10", "WyJhIl0", "x" * 400, "bnVsbA", "WyJhIiwiYiJd", "ё"])
def test_what_is_no_cursor_is_said_to_be_none(text: str):
    with pytest.raises(cursor.BadCursor):
        cursor.decode(text)


def test_words_to_look_for():
    assert Search.of("  Ёлка  100%_\\ ").conditions()[1] == {
        "word0": "%елка%", "word1": "%100\\%\\_\\\\%",
    }  # fmt: skip
    assert Search.of("\x00").things == ()
    assert len(Search.of("a " * 50).things) == 6


def test_a_timeline_is_in_order_and_names_every_reason():
    groups = {
        "request": {
            "submitted_at": "2026-03-16T09:30:00Z",
            "submitted_by": "anna",
            "withdrawn_at": "2026-03-16T09:32:00Z",
        },
        "approval": {
            "rejected_at": "2026-03-16T09:31:00Z",
            "reasons": [{"code": "a", "message": "Раз."}, {"code": "b", "message": "Два."}],
        },
    }
    moments = timeline(groups, "АО «Продавец»")
    assert [each.kind for each in moments] == ["submitted", "rejected", "withdrawn"]
    assert moments[1].reasons == ("Раз.", "Два.")
    assert timeline({}, "АО «Продавец»") == []


def test_the_vendor_in_a_timeline_is_the_one_that_was_set():
    at = "2026-03-16T09:30:00Z"
    groups = {
        "approval": {"approved_at": at},
        "billing": {
            "invoice": {"number": "2026-1", "issued_at": at},
            "refunds": [{"at": at, "amount": "1.00", "cause": "overpaid"}],
        },
    }
    approved, invoiced, refund = timeline(groups, "АО «Продавец»")
    assert approved.detail == "Прямая покупка: АО «Продавец»"
    assert invoiced.who == refund.who == "АО «Продавец»"


def test_the_navigation_is_the_roles_own_and_knows_where_one_is():
    entries = (
        Entry("Заявки", "/requests", frozenset((Role.PARTNER,)), 10),
        Entry("Проданные", "/sold", frozenset((Role.PARTNER,)), 20),
        Entry("Ждут", "/waiting", frozenset((Role.DISTRIBUTOR,)), 10),
    )
    partner = Principal("1", "А", Role.PARTNER, "lukomor", None, frozenset(SCOPES[Role.PARTNER]))
    shown = entries_for(entries, partner, f"/requests/{UUID(int=1)}")
    assert [(each.title, each.current) for each in shown] == [("Заявки", True), ("Проданные", False)]
    assert entries_for(entries, None, "/requests") == []


def test_a_sign_in_under_way_is_read_back_or_is_none():
    started, key = Started("s", "n", "v", "/requests?q=ё"), cookie_key(bytes(32))
    assert Started.unpack(started.pack(key), key) == started
    deep = base64.urlsafe_b64encode(b"[" * 20_000).decode()
    plain = base64.urlsafe_b64encode(b'["s", "n", "v", "/"]').decode()
    for wrong in ("", "x", "W10=", "bnVsbA==", "WzEsMiwzLDRd", "ё", deep, plain, started.pack(key)[:-8]):
        assert Started.unpack(wrong, key) is None
    assert Started.unpack(started.pack(cookie_key(bytes(31) + b"1")), key) is None, "sealed by somebody else"


def test_the_sample_password_can_be_chosen_by_nobody():
    with pytest.raises(passwords.WeakPassword, match="слишком известен"):
        passwords.check(passwords.SAMPLE, "anna")


@pytest.mark.parametrize(
    ("url", "host", "public"),
    [
        (None, "127.0.0.1", False),
        (None, "::1", False),
        ("http://localhost:8080", "127.0.0.1", False),
        (None, "0.0.0.0", True),  # noqa: S104
        (None, "127.0.0.2", False),
        ("https://cabinet.example.ru", "127.0.0.1", True),
        ("http://cabinet.example.ru", "127.0.0.1", True),
    ],
)
def test_who_else_can_reach_it(url: str | None, host: str, public: bool):
    assert is_public(WebSettings(url=url, _env_file=None), host) is public


@pytest.mark.parametrize("logins", [[], ["ops"]])
def test_sample_accounts_are_refused_in_public(logins: list[str]):
    with pytest.raises(SampleAccountsInPublic, match="SAMPLE_ACCOUNTS"):
        refuse_in_public(logins, wanted=True)
    with pytest.raises(SampleAccountsInPublic, match="ops") if logins else nullcontext():
        refuse_in_public(logins, wanted=False)


@pytest.mark.parametrize("value", ["*", "proxy.example", "10.0.0.1, *", "10.0.0.0/40", "0.0.0.0/0", "::1, ::/0"])
def test_a_trusted_proxy_is_an_address(value: str):
    with pytest.raises(ValueError, match="addresses and networks"):
        WebSettings(trusted_proxies=value, _env_file=None)
    assert WebSettings(trusted_proxies="10.0.0.1, 10.1.0.0/16,::1", _env_file=None).trusted_proxies


def _throttle(**limits: int) -> Throttle:
    return Throttle(WebSettings(**limits, _env_file=None))


async def _tries(throttle: Throttle, count: int, device: str | None = None, *, fits: bool = False) -> int:
    """How many of so many sign-ins at once, to different accounts, were let to the password."""

    async def one(number: int) -> bool:
        try:
            async with throttle.sign_in(f"user-{number}", "192.0.2.7", device) as attempt:
                await asyncio.sleep(0.01)  # the password is hashed meanwhile
                attempt.fits = fits
        except TooMany:
            return False
        return True

    return sum(await asyncio.gather(*(one(number) for number in range(count))))


def test_many_sign_ins_at_once_are_no_more_than_one_by_one():
    async def run() -> None:
        throttle = _throttle(failures_per_address=50)
        assert await _tries(throttle, 120) == 50
        assert await _tries(throttle, 5) == 0

    asyncio.run(run())


def test_a_sign_in_that_fits_uses_nothing_up():
    async def run() -> None:
        throttle = _throttle(failures_per_address=5)
        for _ in range(10):
            assert await _tries(throttle, 5, fits=True) == 5
        assert await _tries(throttle, 9) == 5

    asyncio.run(run())


def test_a_known_browser_is_not_locked_out_by_others_of_its_address():
    async def run() -> None:
        throttle = _throttle(failures_per_address=5)
        assert await _tries(throttle, 9) == 5
        assert await _tries(throttle, 1, "known", fits=True) == 1

    asyncio.run(run())


def test_a_registration_number_may_be_tried_so_often_from_wherever():
    async def run() -> None:
        throttle = _throttle(activations_per_number=10)
        for last in range(10):
            await throttle.activation(f"192.0.2.{last}", "1000001")
        with pytest.raises(TooMany):
            await throttle.activation("192.0.2.200", "1000001")
        await throttle.activation("192.0.2.200", "1000002")

    asyncio.run(run())


def test_a_tenant_sends_so_much_in_a_day():
    async def run() -> None:
        throttle = _throttle(tenant_bytes_per_day=1_000_000)
        await throttle.keep("partner:lukomor", 600_000)
        with pytest.raises(TooMany):
            await throttle.keep("partner:lukomor", 600_000)
        await throttle.keep("partner:lukomor", 400_000)
        await throttle.keep("distributor:dist-north", 1_000_000)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150 YaBrowser/26 Safari/537.36", "Яндекс Браузер, Windows"),
        ("curl/8", "Программа"),
        (None, "Программа"),
    ],
)  # fmt: skip
def test_browsers_are_named(agent: str | None, name: str):
    assert browser(agent) == name
