"""The form: every mistake at its field, nothing sent twice, nothing lost (L5-L12)."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, Route, expect

from postavka.domain.request_rules import shortcoming
from postavka.web.identity.sample import PASSWORD
from tests.browser.conftest import Shoot, SignedIn, TaxService
from tests.browser.look import look
from tests.browser.person import FRESH, Person
from tests.browser.sending import submit
from tests.system.conftest import System

BAD_INN = "7707083890"


def rows_of(system: System, request_id: str) -> int:
    """How many requests the request stage knows under this id: 0 or 1, whatever was clicked."""
    with psycopg.connect(system.database_url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM request.stored_events WHERE originator_id = %s AND originator_version = 1",
            (request_id,),
        ).fetchone()
    return found[0] if found else 0


def sent_from(page: Page) -> list[str]:
    """The ids of the requests whose form leaves this page, as it goes."""
    ids: list[str] = []

    def note(request: object) -> None:
        data = getattr(request, "post_data", None) or ""
        if "do=send" in data:
            ids.extend(re.findall(r"request_id=([0-9a-f-]{36})", data))

    page.on("request", note)
    return ids


MISTAKES = [
    ("Контакт. лицо", "", "Выберите контактное лицо."),
    ("Баз. поставка", "", "Выберите основную поставку пользователя."),
    ("Рег. номер поставки", "", "Укажите регистрационный номер основной поставки."),
    ("Рег. номер поставки", "12-34", "Регистрационный номер должен состоять из 7–10 цифр."),
    ("Товар", "", "Выберите товар: сервис и его период."),
    ("ИНН", "", "Укажите ИНН клиента."),
    ("ИНН", BAD_INN, shortcoming("inn", BAD_INN)),
    ("ИНН", "77070838", shortcoming("inn", "77070838")),
    ("Покупатель", "", "Укажите покупателя или заполните его по ИНН."),
    ("КПП", "", "Укажите КПП организации."),
    ("КПП", "77360100", "КПП неверен: это 9 знаков, например 773601001."),
]


class TestMistakes:
    def test_each_is_said_at_its_field(self, partner_at_form: Person) -> None:
        partner = partner_at_form
        for label in ("Покупатель", "КПП"):  # typed by hand: another INN does not empty them
            partner.field(label).fill(partner.field(label).input_value())
        for label, value, message in MISTAKES:
            field = partner.field(label)
            right = field.input_value()
            is_list = field.evaluate("field => field.tagName") == "SELECT"
            field.select_option(value) if is_list else field.fill(value)
            with partner.page.expect_navigation():
                partner.press("Отправить")
            wrong = partner.field(label)
            error = f"{wrong.get_attribute('id')}-error"
            expect(partner.page.locator("[aria-invalid=true]")).to_have_count(1)
            expect(wrong).to_have_attribute("aria-invalid", "true")
            expect(wrong).to_be_focused()
            expect(partner.page.locator(f"#{error}")).to_have_text(message)
            assert error in (wrong.get_attribute("aria-describedby") or "").split()
            expect(partner.page.get_by_role("alert")).to_contain_text(message)
            wrong.select_option(right) if is_list else wrong.fill(right)

    def test_all_at_once_and_the_first_is_focused(self, person: SignedIn, shoot: Shoot) -> None:
        partner = person("lukomor")
        partner.new_request()
        partner.field("Контакт. лицо").select_option("")
        partner.press("Отправить")
        expect(partner.page.locator("[aria-invalid=true]")).to_have_count(6)
        expect(partner.field("Контакт. лицо")).to_be_focused()
        shoot(partner.page, "form-mistakes")

    def test_a_mended_field_is_no_longer_said_to_be_wrong(self, person: SignedIn) -> None:
        partner = person("lukomor")
        partner.new_request()
        partner.press("Отправить")
        partner.field("Рег. номер поставки").fill("10000012")
        expect(partner.page.locator("#registration_number-error")).to_have_count(0)
        lines = partner.page.locator("[data-mistakes] li")
        expect(lines).to_have_count(4)
        partner.fill_request()
        expect(lines).to_have_count(0)
        expect(partner.page.get_by_role("alert")).to_have_count(0)


@pytest.fixture
def partner_at_form(person: SignedIn) -> Person:
    """A partner whose form is complete but not sent."""
    partner = person("lukomor")
    partner.new_request()
    partner.fill_request()
    return partner


class TestTwins:
    def test_a_second_request_for_the_same_is_asked_about(self, partner_at_form: Person) -> None:
        partner, number = partner_at_form, partner_at_form.registration
        first = partner.send()
        partner.expect_stage("Ждёт дистрибьютора")
        partner.new_request()
        partner.fill_request(registration=number)
        partner.press("Отправить")
        asked = partner.page.get_by_role("alert")
        expect(asked).to_contain_text(re.compile(r"Уже есть заявка №\s20\d\d-\d{6} от"))
        expect(asked).to_contain_text("ждёт дистрибьютора")
        look(partner.page, "a twin")
        partner.press("Отправить ещё одну")
        expect(partner.page).to_have_url(re.compile("/requests/[0-9a-f-]{36}"))
        assert partner.request_id != first


class TestRegistrationNumber:
    def test_is_checked_when_it_is_left(self, person: SignedIn) -> None:
        partner = person("lukomor")
        partner.new_request()
        field = partner.field("Рег. номер поставки")
        field.fill("12-34")
        field.blur()
        error = partner.page.locator("#registration_number-error")
        expect(error).to_have_text(shortcoming("registration_number", "12-34"))
        expect(field).to_have_attribute("aria-invalid", "true")
        field.fill("1000 0012")
        field.blur()
        expect(field).to_have_value("10000012")
        expect(partner.page.locator("#registration_number-error")).to_have_count(0)


class TestInn:
    def test_is_checked_while_typing(self, person: SignedIn) -> None:
        partner = person("lukomor")
        partner.new_request()
        hint = partner.page.locator("#inn-hint")
        field = partner.field("ИНН")
        field.press_sequentially("77070")
        expect(hint).to_have_text("Введено 5 из 10.")
        field.press_sequentially("83893")
        expect(hint).to_contain_text("контрольная цифра сходится")
        field.fill(BAD_INN)
        field.blur()
        error = partner.page.locator("#inn-error")
        expect(error).to_have_text(shortcoming("inn", BAD_INN))
        expect(error.locator("svg")).to_be_visible()  # it looks like the mistakes that the server finds
        expect(hint).to_be_hidden()
        expect(field).to_have_attribute("aria-invalid", "true")
        field.fill("500100732259")
        expect(hint).to_contain_text("контрольные цифры сходятся")
        expect(field).not_to_have_attribute("aria-invalid", "true")

    def test_enter_there_asks_the_tax_service_and_does_not_send(self, person: SignedIn) -> None:
        partner = person("lukomor")
        partner.new_request()
        partner.field("ИНН").fill("7707083893")
        partner.field("ИНН").press("Enter")
        expect(partner.field("Покупатель")).to_have_value("АО «Завод точных весов»")
        expect(partner.field("КПП")).to_have_value("773601001")
        expect(partner.page.get_by_text("данные на 01.10.2026")).to_be_visible()

    def test_of_several_branches_one_is_chosen(self, person: SignedIn, shoot: Shoot) -> None:
        partner = person("lukomor")
        partner.new_request()
        partner.field("ИНН").fill("0012004313")
        partner.press("Заполнить из ФНС")
        expect(partner.field("КПП")).to_have_value("001201001")
        shoot(partner.page, "form-branches")
        partner.page.get_by_label("Рязанский филиал").check()
        expect(partner.field("КПП")).to_have_value("003402001")

    def test_another_number_empties_what_was_filled_in_for_the_first(self, person: SignedIn) -> None:
        partner = person("lukomor")
        partner.new_request()
        partner.field("ИНН").fill("7707083893")
        partner.press("Заполнить из ФНС")
        expect(partner.field("Покупатель")).to_have_value("АО «Завод точных весов»")
        partner.field("ИНН").fill("0099002702")
        expect(partner.field("Покупатель")).to_have_value("")
        expect(partner.field("КПП")).to_have_value("")
        partner.press("Заполнить из ФНС")
        expect(partner.page.locator("#found")).to_contain_text("В ФНС такого ИНН нет.")
        expect(partner.field("Покупатель")).to_have_value("")

    def test_an_answer_that_comes_late_is_dropped(self, person: SignedIn) -> None:
        partner = person("lukomor")
        partner.new_request()
        partner.field("ИНН").fill("0012004313")
        held: list[Route] = []
        partner.page.route("**/requests/new/*", lambda route: held.append(route))
        partner.press("Заполнить из ФНС")
        partner.field("ИНН").fill("7707083893")
        for _ in range(100):
            if held:
                break
            partner.page.wait_for_timeout(50)
        held[0].continue_()
        expect(partner.page.get_by_text("он не подставлен")).to_be_visible()
        expect(partner.field("Покупатель")).to_have_value("")
        expect(partner.field("ИНН")).to_have_value("7707083893")

    def test_of_a_liquidated_company_it_is_warned(self, person: SignedIn) -> None:
        partner = person("lukomor")
        partner.new_request()
        partner.field("ИНН").fill("0034006272")
        partner.press("Заполнить из ФНС")
        expect(partner.page.locator("#found")).to_contain_text("деятельность прекращена")

    def test_nobody_has_the_number(self, person: SignedIn) -> None:
        partner = person("lukomor")
        partner.new_request()
        partner.field("ИНН").fill("0099002702")
        partner.press("Заполнить из ФНС")
        expect(partner.page.locator("#found")).to_contain_text("В ФНС такого ИНН нет.")

    @pytest.mark.parametrize(("status", "seconds"), [(503, 0.0), (200, 3.0)])
    def test_the_tax_service_is_down_and_it_is_typed_by_hand(
        self, person: SignedIn, address_with_tax_service: str, tax_service: TaxService, shoot: Shoot, status: int,
        seconds: float,
    ) -> None:  # fmt: skip
        tax_service.status, tax_service.seconds = status, seconds
        partner = person("lukomor", address_with_tax_service)
        partner.new_request()
        partner.choose("Контакт. лицо", "Дубов Игорь Павлович")
        partner.choose("Баз. поставка", "1С:Предприятие 8. Молокозавод")
        partner.field("Рег. номер поставки").fill("10000012")
        partner.choose("Товар", "1С:ИТС Отраслевой, 1\u00a0месяц")
        partner.field("ИНН").fill("7707083893")
        partner.press("Заполнить из ФНС")
        expect(partner.page.locator("#found")).to_contain_text("Сервис ФНС сейчас не отвечает.")
        expect(partner.field("Рег. номер поставки")).to_have_value("10000012")
        expect(partner.field("ИНН")).to_have_value("7707083893")
        shoot(partner.page, "form-tax-down")
        partner.field("Покупатель").fill("АО «Завод точных весов»")
        partner.field("КПП").fill("773601001")
        partner.send()
        partner.expect_stage("Ждёт оплаты")


class TestLists:
    def test_base_delivery_and_product_filter_each_other(self, person: SignedIn) -> None:
        partner = person("lukomor")
        partner.new_request()
        products = partner.field("Товар").locator("option")
        expect(products).to_have_count(9)
        partner.choose("Баз. поставка", "1С:Предприятие 8. Управление производственным предприятием")
        expect(products).to_have_count(5)
        partner.choose("Товар", "Продление поддержки УПП, 3\u00a0месяца")
        expect(partner.field("Баз. поставка").locator("option")).to_have_count(3)
        expect(partner.page.locator("[data-price-of]")).to_have_text("8\u00a0580,00\u00a0₽")
        partner.page.locator("#base_delivery_id-fit").get_by_role("button", name="Показать все").click()
        expect(partner.field("Товар")).to_have_value("")
        expect(partner.field("Баз. поставка").locator("option")).to_have_count(7)

    def test_are_the_partners_own(self, person: SignedIn) -> None:
        partner = person("romashka-it")
        partner.new_request()
        assert partner.field("Контакт. лицо").locator("option").all_inner_texts() == [
            "— выберите —", "Лугов Пётр Андреевич", "Росина Елена Викторовна",
        ]  # fmt: skip


class TestOnce:
    def test_a_double_click_sends_one(self, partner_at_form: Person, system: System) -> None:
        partner = partner_at_form
        ids = sent_from(partner.page)
        partner.page.get_by_role("button", name="Отправить", exact=True).dblclick()
        expect(partner.page).to_have_url(re.compile(r"/requests/[0-9a-f-]{36}"))
        partner.expect_stage("Ждёт дистрибьютора")
        assert set(ids) == {partner.request_id}
        assert rows_of(system, partner.request_id) == 1

    def test_back_and_again_is_the_same_request(self, partner_at_form: Person, system: System) -> None:
        partner = partner_at_form
        request_id = partner.send()
        partner.expect_stage("Ждёт дистрибьютора")
        partner.page.go_back()
        expect(partner.page.get_by_role("heading", name="Новая заявка")).to_be_visible()
        if partner.page.locator("[name=request_id]").input_value() == request_id:  # the browser kept the page
            partner.press("Отправить")
            expect(partner.page).to_have_url(re.compile(request_id))
            expect(partner.page.locator(".toast:not([id])")).to_contain_text("уже отправлена")
        assert rows_of(system, request_id) == 1

    def test_the_same_form_sent_again_is_the_same_request(self, partner_at_form: Person, system: System) -> None:
        partner = partner_at_form
        fields = partner.page.locator("#request-form").evaluate("form => [...new FormData(form)]")
        request_id = partner.send()
        partner.expect_stage("Ждёт дистрибьютора")
        token = next(value for name, value in fields if name == "csrf")
        answer = partner.page.request.post(
            partner.address + "/requests/new/1c8-updates-and-addons",
            form=dict(fields) | {"csrf": token},
            headers={"Origin": partner.address},
        )
        assert request_id in answer.url
        assert rows_of(system, request_id) == 1

    def test_two_tabs_with_one_draft_are_one_request(self, partner_at_form: Person, system: System) -> None:
        partner = partner_at_form
        partner.page.wait_for_timeout(400)  # the draft is written
        second = Person(partner.page.context.new_page(), partner.address)
        second.go("/requests/new/1c8-updates-and-addons")
        expect(second.page.locator("#draft-note")).to_be_visible()
        request_id = partner.send()
        partner.expect_stage("Ждёт дистрибьютора")
        second.press("Отправить")
        expect(second.page).to_have_url(re.compile(request_id))
        assert rows_of(system, request_id) == 1


class TestNothingIsLost:
    def test_a_reload_restores_the_draft(self, partner_at_form: Person) -> None:
        partner = partner_at_form
        partner.field("Комментарий").evaluate("field => field.closest('details').open = true")
        partner.field("Комментарий").fill("Срочно")
        partner.page.wait_for_timeout(400)
        request_id = partner.page.locator("[name=request_id]").input_value()
        partner.page.reload()
        expect(partner.page.locator("#draft-note")).to_contain_text("Восстановлен черновик")
        expect(partner.field("Рег. номер поставки")).to_have_value(partner.registration)
        expect(partner.field("Товар")).to_have_value("its-industry-12")
        expect(partner.field("Покупатель")).to_have_value("АО «Завод точных весов»")
        expect(partner.field("Комментарий")).to_have_value("Срочно")
        assert partner.page.locator("[name=request_id]").input_value() == request_id

    def test_a_draft_is_sent_in_a_later_session(self, person: SignedIn) -> None:
        partner = person("lukomor", anew=True)
        partner.new_request()
        partner.fill_request()
        partner.page.wait_for_timeout(400)  # the draft is written
        partner.page.context.clear_cookies()
        partner.sign_in("lukomor", PASSWORD)
        partner.go("/requests/new/1c8-updates-and-addons")
        expect(partner.page.locator("#draft-note")).to_contain_text("Восстановлен черновик")
        partner.send()
        partner.expect_stage("Ждёт дистрибьютора")

    def test_a_sent_draft_is_gone(self, partner_at_form: Person) -> None:
        partner = partner_at_form
        partner.send()
        partner.expect_stage("Ждёт дистрибьютора")
        partner.new_request()
        expect(partner.page.locator("#draft-note")).to_be_hidden()
        expect(partner.field("ИНН")).to_have_value("")

    def test_signing_out_takes_the_draft_along(self, person: SignedIn) -> None:
        partner = person("lukomor", anew=True)
        partner.new_request()
        partner.field("ИНН").fill("7707083893")
        partner.page.wait_for_timeout(400)
        assert partner.page.evaluate("localStorage.length") == 1
        partner.page.locator("details.menu > summary").click()
        partner.press("Выйти")
        expect(partner.page).to_have_url(re.compile("/sign-in"))
        assert partner.page.evaluate("localStorage.length") == 0

    @pytest.mark.parametrize("scripts", [True, False])
    def test_the_session_ends_in_mid_form(
        self, person: SignedIn, system: System, sessions: dict[str, Any], scripts: bool
    ) -> None:
        partner = person("ip-berezin", anew=True, java_script_enabled=scripts)
        partner.new_request()
        partner.choose("Контакт. лицо", "Березина Ольга Юрьевна")
        partner.choose("Дистрибьютор", "ООО «Уральский Каменный Цветок Дистрибуция»")
        partner.choose("Баз. поставка", "1С:Предприятие 8. Больничная аптека")
        partner.field("Рег. номер поставки").fill(f"{next(FRESH)}")
        partner.choose("Товар", "1С:ИТС Отраслевой, 6\u00a0месяцев")
        partner.field("ИНН").fill("0077009599")
        partner.field("Покупатель").fill("АО «Больничная аптека № 7»")
        partner.field("КПП").fill("007701001")
        request_id = partner.page.locator("[name=request_id]").input_value()
        with psycopg.connect(system.database_url) as connection:
            connection.execute(
                "DELETE FROM accounts.sessions s USING accounts.users u WHERE u.user_id = s.user_id AND u.login = %s",
                ("ip-berezin",),
            )
        sessions.pop("ip-berezin", None)  # an earlier test's has ended as well
        partner.press("Отправить")
        expect(partner.page.get_by_role("alert")).to_contain_text("введённое сохранено")
        partner.page.get_by_label("Логин").fill("ip-berezin")
        partner.page.get_by_label("Пароль").fill(PASSWORD)
        partner.press("Войти")
        partner.press("Продолжить")
        expect(partner.page).to_have_url(re.compile(request_id))
        partner.expect_stage("Ждёт дистрибьютора")
        expect(partner.page.get_by_text("АО «Больничная аптека № 7»").first).to_be_visible()


class TestAgain:
    def test_a_copy_is_a_new_request_with_the_same_content(self, partner_at_form: Person) -> None:
        partner = partner_at_form
        request_id = partner.send()
        partner.expect_stage("Ждёт дистрибьютора")
        partner.follow("Скопировать в новую")
        expect(partner.field("Рег. номер поставки")).to_have_value(partner.registration)
        expect(partner.field("Покупатель")).to_have_value("АО «Завод точных весов»")
        assert partner.page.locator("[name=request_id]").input_value() != request_id

    def test_withdrawn_while_that_is_possible(self, partner_at_form: Person) -> None:
        partner = partner_at_form
        partner.send()
        partner.expect_stage("Ждёт дистрибьютора")
        partner.page.locator("summary", has_text="Отозвать заявку").click()
        partner.field("Причина — не обязательно").fill("Клиент передумал")
        partner.press("Отозвать")
        partner.agree()
        partner.expect_stage("Отозвана")
        expect(partner.page.get_by_text("Клиент передумал")).to_be_visible()
        expect(partner.page.locator("summary", has_text="Отозвать заявку")).to_have_count(0)

    def test_what_is_being_typed_stays_when_something_happens(self, partner_at_form: Person, system: System) -> None:
        partner = partner_at_form
        system.stop("papers")  # the permission's document is drawn later
        try:
            partner.send()
            partner.expect_stage("Ждёт дистрибьютора")
            partner.page.locator("summary", has_text="Отозвать заявку").click()
            partner.field("Причина — не обязательно").fill("Клиент передумал")
            before = partner.page.locator("[data-version]").get_attribute("data-version") or ""
        finally:
            system.start("papers")
        expect(partner.page.locator("[data-version]")).not_to_have_attribute("data-version", before, timeout=120_000)
        expect(partner.field("Причина — не обязательно")).to_have_value("Клиент передумал")
        partner.press("Отозвать")
        partner.agree()
        partner.expect_stage("Отозвана")

    def test_a_rejected_one_is_corrected_and_sent_anew(self, person: SignedIn, system: System) -> None:
        request_id = submit(system, "lukomor", "nobody", "ООО «Невские шестерни»")
        partner = person("lukomor")
        partner.wait_for_request(request_id)
        partner.expect_stage("Не согласована")
        partner.page.get_by_role("link", name="Исправить и отправить заново").click()
        expect(partner.field("Контакт. лицо")).to_have_attribute("aria-invalid", "true")
        partner.choose("Контакт. лицо", "Яснова Мария Олеговна")
        partner.send()
        partner.expect_stage("Ждёт оплаты")


class TestDraftOnTheServer:
    def test_is_in_the_list_of_another_computer_and_goes_when_it_is_sent(self, person: SignedIn, shoot: Shoot) -> None:
        here = person("lukomor")
        here.new_request()
        here.fill_request()
        with here.page.expect_response(lambda answer: answer.status == 204):
            here.field("Рег. номер поставки").fill(here.registration)
        there = person("lukomor")
        there.go("/requests")
        row = there.page.get_by_role("row").filter(has_text=here.registration).filter(has_text="Черновик")
        expect(row).to_have_count(1)
        shoot(there.page, "drafts")
        look(there.page, "drafts")
        row.get_by_role("link", name="Черновик").click()
        expect(there.field("Рег. номер поставки")).to_have_value(here.registration)
        expect(there.field("Покупатель")).not_to_have_value("")
        there.send()
        there.go("/requests")
        expect(row).to_have_count(0)

    def test_is_removed_here_and_in_the_browser_that_wrote_it(self, person: SignedIn) -> None:
        here = person("lukomor")
        here.new_request()
        number = f"{next(FRESH)}"
        with here.page.expect_response(lambda answer: answer.status == 204):
            here.field("Рег. номер поставки").fill(number)
            here.field("Рег. номер поставки").blur()
        here.go("/requests")
        row = here.page.get_by_role("row").filter(has_text=number)
        row.get_by_role("button", name="Удалить").click()
        look(here.page, "the question before a draft is removed")
        here.agree()
        expect(here.page.get_by_role("status").filter(has_text="Черновик удалён").first).to_be_visible(timeout=30_000)
        here.go("/requests")
        expect(row).to_have_count(0)
        here.new_request()
        expect(here.field("Рег. номер поставки")).to_have_value("")

    def test_is_kept_and_opened_without_scripts(self, person: SignedIn) -> None:
        partner = person("lukomor", java_script_enabled=False)
        partner.new_request()
        number = f"{next(FRESH)}"
        partner.field("Рег. номер поставки").fill(number)
        partner.press("Сохранить черновик")
        expect(partner.page.get_by_text("Черновик сохранён")).to_be_visible()
        row = partner.page.get_by_role("row").filter(has_text=number)
        row.get_by_role("link", name="Черновик").click()
        expect(partner.field("Рег. номер поставки")).to_have_value(number)
        partner.go("/requests")
        row.get_by_role("button", name="Удалить").click()
        partner.page.get_by_role("button", name="Удалить", exact=True).click()
        expect(partner.page).to_have_url(re.compile("/requests"))
