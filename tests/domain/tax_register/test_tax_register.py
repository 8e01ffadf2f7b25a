"""Tax registers (L10): the table that ships, the online client against a real server that misbehaves, the memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from pydantic import SecretStr, ValidationError

from events.checks import is_inn, is_kpp
from postavka.domain.calendar import today
from postavka.domain.reference.file import read_file
from postavka.domain.tax_register import (
    CompanyKind,
    CompanyStanding,
    NotAnswering,
    RegisteredCompany,
    TaxSettings,
    open_register,
)
from postavka.domain.tax_register.memory import RememberingRegister
from postavka.domain.tax_register.online import SOURCE, OnlineRegister
from postavka.domain.tax_register.table import TableRegister
from tests.paths import PROJECT

SAMPLE = PROJECT / "deploy" / "reference" / "sample.toml"
INN = "7707083893"
PERSON = "500100732259"


def party(**changes: Any) -> dict[str, Any]:
    return {
        "inn": INN,
        "kpp": "773601001",
        "type": "LEGAL",
        "branch_type": "MAIN",
        "name": {"full_with_opf": "АКЦИОНЕРНОЕ ОБЩЕСТВО «ВЕСЫ»", "short_with_opf": "АО «Весы»"},
        "state": {"status": "ACTIVE", "actuality_date": 1_790_812_800_000},
        "address": {"value": "г Москва, ул Гирьевая, д 19"},
    } | changes


def answer(*parties: dict[str, Any]) -> bytes:
    return orjson.dumps({"suggestions": [{"value": "any", "data": each} for each in parties]})


@dataclass
class Stub:
    """A server in the place of the online service. `behave` answers each call; what was asked is kept."""

    behave: Callable[[BaseHTTPRequestHandler], None] | None = None
    asked: list[tuple[str, Any, str | None]] = field(default_factory=list)
    url: str = ""

    def says(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        def give(call: BaseHTTPRequestHandler) -> None:
            call.send_response(status)
            for name, value in (headers or {}).items():
                call.send_header(name, value)
            call.send_header("Content-Length", str(len(body)))
            call.end_headers()
            call.wfile.write(body)

        self.behave = give


@pytest.fixture
def stub() -> Iterator[Stub]:
    the = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            the.asked.append((self.path, orjson.loads(body), self.headers["Authorization"]))
            assert the.behave is not None
            with contextlib.suppress(OSError):  # the client has gone, as it should
                the.behave(self)

        def do_GET(self) -> None:
            if self.path != "/healthz":  # somebody who remembers another process on this port
                the.asked.append((self.path, None, None))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    the.url = f"http://127.0.0.1:{server.server_address[1]}/findById/party"
    yield the
    server.shutdown()
    thread.join()
    server.server_close()


def settings(url: str, **changes: Any) -> TaxSettings:
    given: dict[str, Any] = {
        "source": "online", "url": url, "token": SecretStr("a-secret-token"),
        "connect_seconds": 10, "attempt_seconds": 10, "answer_seconds": 30, "failures_until_open": 100,
    }  # fmt: skip
    return TaxSettings(**(given | changes))


@pytest.fixture
async def register(stub: Stub) -> AsyncIterator[OnlineRegister]:
    async with OnlineRegister(settings(stub.url)) as register:
        yield register


async def refused(register: OnlineRegister | RememberingRegister, inn: str = INN) -> str:
    with pytest.raises(NotAnswering) as info:
        await register.find(inn)
    return str(info.value)


class TestTable:
    async def test_every_company_in_it_is_well_formed(self) -> None:
        table = TableRegister()
        for inn, company in table._companies.items():
            assert is_inn(inn), inn
            assert company.kind is (CompanyKind.SOLE_TRADER if len(inn) == 12 else CompanyKind.ORGANISATION)
            assert all(is_kpp(branch.kpp) for branch in company.branches)
            assert len({branch.kpp for branch in company.branches}) == len(company.branches)
            assert [branch.is_head for branch in company.branches] == [n == 0 for n in range(len(company.branches))]

    async def test_agrees_with_the_sample_reference_data(self) -> None:
        table, sample = TableRegister(), read_file(SAMPLE)
        for known in (*sample.partners, *sample.distributors):
            company = await table.find(known.inn)
            assert company is not None, known.name
            assert company.name == known.name
            assert [branch.kpp for branch in company.branches] == ([known.kpp] if known.kpp else [])

    async def test_has_branches_states_and_sole_traders_to_try(self) -> None:
        companies = TableRegister()._companies.values()
        assert {company.standing for company in companies} >= set(CompanyStanding) - {CompanyStanding.UNKNOWN}
        assert any(len(company.branches) > 2 for company in companies)

    async def test_an_unknown_number_is_nobody(self) -> None:
        assert await TableRegister().find("0099002702") is None

    async def test_is_what_the_settings_give_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("POSTAVKA_TAX_SOURCE", raising=False)
        assert isinstance(open_register(), TableRegister)


class TestOnline:
    async def test_an_organisation(self, stub: Stub, register: OnlineRegister) -> None:
        stub.says(answer(party()))
        company = await register.find(INN)
        assert company is not None
        assert (company.name, company.kind, company.standing) == (
            "АО «Весы»",
            CompanyKind.ORGANISATION,
            CompanyStanding.ACTIVE,
        )
        assert [(each.kpp, each.address) for each in company.branches] == [("773601001", "г Москва, ул Гирьевая, д 19")]
        assert (company.source, company.as_of) == (SOURCE, date(2026, 10, 1))
        assert stub.asked == [("/findById/party", {"query": INN, "count": 300}, "Token a-secret-token")]

    async def test_a_sole_trader_has_no_kpp(self, stub: Stub, register: OnlineRegister) -> None:
        stub.says(answer(party(inn=PERSON, kpp=None, type="INDIVIDUAL", name={"short_with_opf": "ИП Творогов А. С."})))
        company = await register.find(PERSON)
        assert company is not None
        assert (company.kind, company.branches) == (CompanyKind.SOLE_TRADER, ())

    async def test_the_head_office_comes_first_and_closed_branches_not_at_all(
        self, stub: Stub, register: OnlineRegister
    ) -> None:
        stub.says(
            answer(
                party(kpp="003402001", branch_type="BRANCH", name={"short_with_opf": "Рязанский филиал"}),
                party(kpp="005202001", branch_type="BRANCH", state={"status": "LIQUIDATED"}),
                party(),
                party(kpp="0066AB001", branch_type="BRANCH"),
                party(kpp="<script>", branch_type="BRANCH"),
            )
        )
        company = await register.find(INN)
        assert company is not None
        assert [each.kpp for each in company.branches] == ["773601001", "003402001", "0066AB001"]
        assert [each.is_head for each in company.branches] == [True, False, False]
        assert company.name == "АО «Весы»"

    @pytest.mark.parametrize(
        ("said", "standing"),
        [
            ("ACTIVE", CompanyStanding.ACTIVE),
            ("LIQUIDATING", CompanyStanding.LIQUIDATING),
            ("LIQUIDATED", CompanyStanding.LIQUIDATED),
            ("BANKRUPT", CompanyStanding.BANKRUPT),
            ("REORGANIZING", CompanyStanding.REORGANIZING),
            ("NEW ONE", CompanyStanding.UNKNOWN),
            (None, CompanyStanding.UNKNOWN),
        ],
    )  # fmt: skip
    async def test_states(
        self, stub: Stub, register: OnlineRegister, said: str | None, standing: CompanyStanding
    ) -> None:
        stub.says(answer(party(state={"status": said})))
        company = await register.find(INN)
        assert company is not None
        assert company.standing is standing
        assert company.as_of == today()

    async def test_nobody_has_the_number(self, stub: Stub, register: OnlineRegister) -> None:
        stub.says(answer())
        assert await register.find(INN) is None

    async def test_text_is_cleaned_before_it_reaches_a_page(self, stub: Stub, register: OnlineRegister) -> None:
        stub.says(answer(party(name={"short_with_opf": " АО\x00 «Ве\u202eсы»\r\n" + "ы" * 2_000})))
        company = await register.find(INN)
        assert company is not None
        assert company.name.startswith("АО «Ве сы» ыыы")
        assert len(company.name) == 500

    @pytest.mark.parametrize("milliseconds", [-1, 0, 10**18, 32_503_680_000_000])
    async def test_a_day_that_can_not_be_is_today(
        self, stub: Stub, register: OnlineRegister, milliseconds: int
    ) -> None:
        stub.says(answer(party(state={"status": "ACTIVE", "actuality_date": milliseconds})))
        company = await register.find(INN)
        assert company is not None
        assert company.as_of == today()


class TestOnlineInTrouble:
    async def test_hangs(self, stub: Stub) -> None:
        stub.behave = lambda _: time.sleep(3)
        async with OnlineRegister(settings(stub.url, attempt_seconds=0.4)) as register:
            assert "no answer within" in await refused(register)
        assert len(stub.asked) == 2

    async def test_all_attempts_together_have_an_end(self, stub: Stub) -> None:
        stub.behave = lambda _: time.sleep(3)
        async with OnlineRegister(settings(stub.url, answer_seconds=0.3)) as register:
            assert await refused(register) == "no answer within 0.3 s"

    async def test_drips_a_byte_at_a_time(self, stub: Stub) -> None:
        body = answer(party())

        def drip(call: BaseHTTPRequestHandler) -> None:
            call.send_response(200)
            call.send_header("Content-Length", str(len(body)))
            call.end_headers()
            for byte in body:
                call.wfile.write(bytes([byte]))
                call.wfile.flush()
                time.sleep(0.1)

        stub.behave = drip
        async with OnlineRegister(settings(stub.url, attempt_seconds=0.4, attempts=1)) as register:
            assert "no answer within" in await refused(register)

    async def test_a_second_attempt_helps(self, stub: Stub, register: OnlineRegister) -> None:
        def first_503(call: BaseHTTPRequestHandler) -> None:
            stub.says(answer(party()))
            call.send_error(503)

        stub.behave = first_503
        assert await register.find(INN) is not None
        assert len(stub.asked) == 2

    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    async def test_overloaded_is_tried_again(self, stub: Stub, register: OnlineRegister, status: int) -> None:
        stub.says(b"busy", status)
        assert str(status) in await refused(register)
        assert len(stub.asked) == 2

    @pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 413])
    async def test_refused_is_not(self, stub: Stub, register: OnlineRegister, status: int) -> None:
        stub.says(b"", status)
        assert str(status) in await refused(register)
        assert len(stub.asked) == 1

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"<html>error</html>", b"[]", b"null", b'{"suggestions": 5}', b'{"suggestions": [null]}',
            b'{"suggestions": [{"data": {}}]}', b"\xff\xfe", b"[" * 100_000, answer(party(type="ALIEN")),
            answer(party(name={})), answer(party(name={"short_with_opf": "\x00"})), answer(party(kpp=None)),
            answer(party(kpp="77")), answer(party(name="АО")),
        ],
    )  # fmt: skip
    async def test_nonsense(self, stub: Stub, register: OnlineRegister, body: bytes) -> None:
        stub.says(body)
        assert "answer" in await refused(register)
        assert len(stub.asked) == 1

    @pytest.mark.parametrize(
        "parties",
        [
            [party(inn="7736050003")],
            [party(), party(inn="7736050003", branch_type="BRANCH")],
            [party(type="INDIVIDUAL")],
        ],
    )
    async def test_about_another_number(
        self, stub: Stub, register: OnlineRegister, parties: list[dict[str, Any]]
    ) -> None:
        stub.says(answer(*parties))
        assert "another number" in await refused(register)

    async def test_too_long(self, stub: Stub, register: OnlineRegister) -> None:
        stub.says(b" " * (2 << 20) + answer(party()))
        assert "more than" in await refused(register)

    async def test_a_redirect_is_not_followed(self, stub: Stub, register: OnlineRegister) -> None:
        stub.says(b"", 307, {"Location": "/inside"})
        assert "307" in await refused(register)
        assert [path for path, *_ in stub.asked] == ["/findById/party"]

    async def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        async with OnlineRegister(settings(f"http://127.0.0.1:{port}/")) as register:
            assert await refused(register) == "ConnectError"

    async def test_the_connection_breaks(self, stub: Stub, register: OnlineRegister) -> None:
        stub.behave = lambda call: call.connection.shutdown(socket.SHUT_RDWR)
        assert await refused(register)

    async def test_is_left_alone_after_failures_in_a_row_and_asked_again_later(self, stub: Stub) -> None:
        config = settings(stub.url, failures_until_open=2, open_seconds=1.5, attempts=1)
        async with OnlineRegister(config) as register:
            stub.says(b"", 500)
            await refused(register)
            await refused(register)
            stub.says(answer(party()))
            assert "left alone" in await refused(register)
            assert len(stub.asked) == 2
            await asyncio.sleep(1.6)
            assert await register.find(INN) is not None
            assert await register.find(INN) is not None

    async def test_who_gives_up_waiting_breaks_nothing(self, stub: Stub) -> None:
        config = settings(stub.url, failures_until_open=1, attempt_seconds=5, answer_seconds=5)
        async with OnlineRegister(config) as register:
            stub.behave = lambda _: time.sleep(1)
            asking = asyncio.create_task(register.find(INN))
            await asyncio.sleep(0.2)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            stub.says(answer(party()))
            assert await register.find(INN) is not None

    async def test_the_token_is_told_to_nobody(
        self, stub: Stub, register: OnlineRegister, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stub.says(b"", 403)
        said = await refused(register)
        out = capsys.readouterr()
        assert "a-secret-token" not in said + out.out + out.err + repr(settings(stub.url))


class Fickle:
    """A register that says what it is told to say."""

    def __init__(self, company: RegisteredCompany | NotAnswering | None) -> None:
        self.says = company
        self.asked = 0

    async def find(self, inn: str) -> RegisteredCompany | None:
        self.asked += 1
        if isinstance(self.says, NotAnswering):
            raise self.says
        return self.says

    async def close(self) -> None:
        pass


class TestMemory:
    @pytest.fixture
    async def company(self) -> RegisteredCompany:
        found = await TableRegister().find(INN)
        assert found is not None
        return found

    def memory(self, behind: Fickle, **changes: Any) -> tuple[RememberingRegister, list[float]]:
        now = [1_000.0]
        config = TaxSettings(remember_seconds=60, remember_while_down_seconds=600, **changes)
        return RememberingRegister(behind, config, lambda: now[0]), now

    async def test_asks_once_while_fresh(self, company: RegisteredCompany) -> None:
        behind = Fickle(company)
        memory, now = self.memory(behind)
        assert await memory.find(INN) == await memory.find(INN) == company
        assert behind.asked == 1
        now[0] += 61
        await memory.find(INN)
        assert behind.asked == 2

    async def test_gives_an_older_answer_while_the_service_is_down_but_not_a_very_old_one(
        self, company: RegisteredCompany
    ) -> None:
        behind = Fickle(company)
        memory, now = self.memory(behind)
        await memory.find(INN)
        behind.says = NotAnswering("down")
        now[0] += 599
        assert await memory.find(INN) == company
        now[0] += 2
        await refused(memory)

    async def test_nobody_is_not_remembered(self, company: RegisteredCompany) -> None:
        behind = Fickle(None)
        memory, _ = self.memory(behind)
        assert await memory.find(INN) is None
        behind.says = company
        assert await memory.find(INN) == company

    async def test_is_bounded(self, company: RegisteredCompany) -> None:
        behind = Fickle(company)
        memory, _ = self.memory(behind, remember_companies=0)
        await memory.find(INN)
        await memory.find(INN)
        assert behind.asked == 2


class TestSettings:
    def test_the_online_service_needs_a_token(self) -> None:
        with pytest.raises(ValidationError, match="POSTAVKA_TAX_TOKEN"):
            TaxSettings(source="online", token=None)

    def test_the_token_does_not_travel_in_the_clear(self) -> None:
        with pytest.raises(ValidationError, match="https"):
            settings("http://tax.example/find")

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://tax.example/", "tax.example"])
    def test_only_http(self, url: str) -> None:
        with pytest.raises(ValidationError):
            settings(url)

    def test_defaults_answer_within_seconds(self) -> None:
        config = TaxSettings()
        assert timedelta(seconds=config.answer_seconds) <= timedelta(seconds=3)


@pytest.mark.parametrize("zeros", ["0000000000", "000000000000"])
def test_zeros_are_no_inn_though_their_check_digits_fit(zeros: str):
    assert not is_inn(zeros)


def test_zeros_are_no_kpp():
    assert not is_kpp("000000000")
    assert is_kpp("000000001"), "only the whole of it is nothing"
