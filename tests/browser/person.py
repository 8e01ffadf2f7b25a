"""Somebody at a browser: what people do on the pages, by the words that they see."""

from __future__ import annotations

import re
from itertools import count

from playwright.sync_api import Locator, Page, expect

FRESH = count(30_000_001)
"""Registration numbers of forms that nobody activates."""
STAGE = "h1 + *, .head .status"


class Person:
    """Acts on one page. Fields and buttons are found by their labels, as people and screen readers find them."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address

    def go(self, path: str) -> None:
        """Open an address of the cabinet."""
        self.page.goto(self.address + path)

    def sign_in(self, login: str, password: str) -> None:
        """At the sign-in page, to where this role begins."""
        self.go("/sign-in")
        self.page.get_by_label("Логин").fill(login)
        self.page.get_by_label("Пароль").fill(password)
        self.press("Войти")
        expect(self.page).not_to_have_url(re.compile("/sign-in"))

    def press(self, name: str) -> None:
        """A button, by its words."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def agree(self, reason: str = "") -> None:
        """To the question before what can't be undone, with the reason that it may ask for."""
        question = self.page.locator("#ask")
        if reason:
            question.get_by_role("textbox").fill(reason)
        question.locator(".buttons button").click()

    def follow(self, name: str) -> None:
        """A link, by its words."""
        self.page.get_by_role("link", name=name, exact=True).first.click()

    def download(self, name: str | re.Pattern[str]) -> bytes:
        """The file behind a link, by its words."""
        with self.page.expect_download() as given:
            self.page.get_by_role("link", name=name, exact=True).click()
        return given.value.path().read_bytes()

    def search(self, text: str) -> None:
        """In the list of this page, until its address says so."""
        self.page.get_by_role("searchbox", name="Поиск").fill(text)
        expect(self.page).to_have_url(re.compile(r"[?&]q="))

    def find(self, text: str) -> None:
        """The request of which the list of this page says so: its client, its registration number."""
        self.search(text)
        self.page.get_by_role("row").filter(has_text=text).get_by_role("link").first.click()

    def link_to(self, request_id: str) -> Locator:
        """The link of a list to a request's page."""
        return self.page.locator(f'a.row-link[href="/requests/{request_id}"]')

    def row_of(self, request_id: str) -> Locator:
        """The row of a list that a request has."""
        return self.page.get_by_role("row").filter(has=self.link_to(request_id))

    def choice(self, request_id: str) -> Locator:
        """The box by which a request is chosen from a list."""
        return self.page.locator(f'input[type="checkbox"][value="{request_id}"]')

    def field(self, label: str) -> Locator:
        """A field, by its label; the sign of a required one doesn't count."""
        return self.page.get_by_label(re.compile(rf"^{re.escape(label)}(\s*\*)?$"))

    def choose(self, label: str, text: str) -> None:
        """From a list, by what is read there."""
        self.field(label).select_option(label=text)

    def fill_request(
        self,
        *,
        distributor: str | None = "ООО «Северный Склад Программ»",
        base: str = "1С:Предприятие 8. Молокозавод",
        registration: str | None = None,
        product: str = "1С:ИТС Отраслевой, 12\u00a0месяцев",
        inn: str = "7707083893",
        contact: str = "Ветрова Алина Сергеевна",
    ) -> None:
        """The form's required fields, client by «Заполнить из ФНС». Without `registration` a number of its own."""
        self.choose("Контакт. лицо", contact)
        if distributor is not None:
            self.choose("Дистрибьютор", distributor)
        self.choose("Баз. поставка", base)
        self.registration = registration or f"{next(FRESH)}"
        self.field("Рег. номер поставки").fill(self.registration)
        self.choose("Товар", product)
        self.field("ИНН").fill(inn)
        self.press("Заполнить из ФНС")
        expect(self.field("Покупатель")).not_to_have_value("")

    def new_request(self) -> None:
        """From the list to the empty form (L4)."""
        self.go("/requests")
        self.follow("Новая")
        self.page.get_by_role("link", name="1С:Предприятие 8. Обновления и дополнения").click()
        expect(self.page.get_by_role("heading", name="Новая заявка")).to_be_visible()

    def send(self) -> str:
        """«Отправить», another one if there is one like it; returns the request's id."""
        self.press("Отправить")
        another = self.page.get_by_role("button", name="Отправить ещё одну")
        expect(another.or_(self.page.locator("[data-sent-request]")).first).to_be_visible()
        if another.is_visible():
            another.click()
        expect(self.page).to_have_url(re.compile(r"/requests/[0-9a-f-]{36}"))
        return self.request_id

    def wait_for_request(self, request_id: str) -> None:
        """Until its page is there for this reader: what was sent by other ways takes a moment."""
        for _ in range(200):
            answer = self.page.goto(f"{self.address}/requests/{request_id}")
            if answer is not None and answer.ok:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"no page for {request_id}")

    @property
    def request_id(self) -> str:
        """Of the request whose page this is."""
        found = re.search(r"/requests/([0-9a-f-]{36})", self.page.url)
        assert found, self.page.url
        return found[1]

    def expect_stage(self, word: str) -> None:
        """The stage beside the heading; it comes by itself."""
        expect(self.page.locator(".head .status")).to_have_text(word)
