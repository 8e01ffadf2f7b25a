"""News in words: Russian, for people. One wording for mail and topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from events.billing import PaymentReceived, PaymentReturned, RefundOwed, RefundPaid
from events.commands import is_credited
from events.notices import NoticeKind
from events.renewal import ReminderDue
from postavka.domain.wording import DOCUMENTS
from postavka.web.formats import NO_BREAK_SPACE, day, money
from services.notices.categories import Audience, Category
from services.notices.rules import News, RuleState

WAITS = {
    "confirmation": "ответьте, готовы ли вы оплатить счёт по заявке партнёра",
    "payment": "оплатите счёт",
    "signature": "подпишите документ и направьте его в {vendor}",
    "activation": "активируйте сервис",
}


@dataclass(frozen=True, slots=True)
class Worded:
    """A piece of news. `rows`: what there is to know, label and value; `points`: a list, of reasons for example."""

    title: str
    paragraphs: tuple[str, ...]
    rows: tuple[tuple[str, str], ...] = ()
    points: tuple[str, ...] = ()
    action: str | None = None
    """What the link to the request says; None: no link."""
    path: str = ""

    @property
    def text(self) -> str:
        """All of it in a few lines."""
        return "\n".join([*self.paragraphs, *(f"— {each}" for each in self.points)])


def word(news: News, vendor: str) -> Worded:
    """The words for a piece of news. `vendor`: the name of who sells, where no event names it."""
    vendor = (news.known.vendor if news.known else None) or vendor
    return _to_partner(news, vendor) if news.party is Audience.PARTNER else _to_distributor(news, vendor)


# To the partner


def _to_partner(news: News, vendor: str) -> Worded:
    known, facts = _known(news), news.facts
    rows, path = _rows(known), f"/requests/{news.request_id}"
    buyer = (known.buyer or "").strip() or "клиент не указан"

    def worded(title: str, *paragraphs: str, action: str | None = "Открыть заявку", **more: Any) -> Worded:
        return Worded(title, paragraphs, more.pop("rows", rows), action=action, path=path, **more)

    match news.category:
        case Category.PERMISSION:
            return _permission_to_partner(known, rows, path, buyer)
        case Category.REJECTED:
            return worded(
                f"Заявка не согласована: {buyer}",
                "В заявке не хватает данных или есть ошибки. Исправьте их и отправьте заявку снова.",
                rows=(),
                points=tuple(each.message for each in facts["reasons"]),
                action="Исправить заявку",
            )
        case Category.CONFIRMED:
            return worded(
                f"Дистрибьютор готов оплатить: {buyer}",
                f"{known.distributor} подтвердил готовность оплатить счёт по вашей заявке. Заказ на изготовление "
                "передан.",
                *_note(facts),
            )
        case Category.DECLINED:
            return worded(
                f"Дистрибьютор отказался: {buyer}",
                f"{known.distributor} не готов оплатить счёт по вашей заявке. Заявка закрыта, номер разрешения "
                "больше не действует. Договоритесь с дистрибьютором или отправьте новую заявку.",
                *_note(facts),
            )
        case Category.PAYMENT:
            return _payment(worded, facts["payment"], buyer)
        case Category.DEBT:
            returned: PaymentReturned = facts["returned"]
            return worded(
                f"По счёту {returned.invoice_number} образовался долг",
                f"Банк вернул платёж на {money(returned.amount)}, а заказ уже изготовлен. "
                f"Оплатите, пожалуйста, {money(returned.due)}.",
            )
        case Category.REFUND if "owed" in facts:
            owed: RefundOwed = facts["owed"]
            return worded(
                f"Вернём {money(owed.amount)} по счёту {owed.invoice_number}",
                "Деньги поступят на счёт, с которого была оплата.",
            )
        case Category.REFUND:
            refunded: RefundPaid = facts["refunded"]
            return worded(
                f"Вернули {money(refunded.amount)} по счёту {refunded.invoice_number}",
                f"Платёж отправлен {day(refunded.paid_on)} на счёт, с которого была оплата.",
            )
        case Category.DISPATCHED:
            document = facts["document"]
            track = f" Трек-номер: {facts['tracking']}." if facts["tracking"] else ""
            return worded(
                f"{DOCUMENTS[document.kind]} № {document.number}: отправлено почтой",
                f"Подпишите документ и направьте второй экземпляр в {vendor}.{track}",
            )
        case Category.SIGNATURE_REFUSED:
            return _signature_refused(worded, facts)
        case Category.WITHDRAWAL_REFUSED:
            return worded(f"Заявку уже нельзя отозвать: {buyer}", facts["reason"].message, "Продажа продолжается.")
        case Category.SHIPPED:
            return worded(
                f"Поставка готова: {buyer}",
                "Электронная поставка изготовлена, запись о ней появилась в вашем кабинете. Код активации смотрите "
                "там же: в письмах мы его не пишем.",
                rows=(*rows, ("Комплект", facts["kit"])),
                action="Открыть поставку",
            )
        case Category.ACTIVATED:
            activated = facts["activated"]
            period = f"с {day(activated.service_from)} по {day(activated.service_until)}"
            return worded(
                f"Сервис активирован: {buyer}", f"Сервис действует {period}.", rows=(*rows, ("Действует", period))
            )
        case Category.ACTIVATION_REFUSED:
            return worded(
                f"Активация не удалась: {buyer}",
                facts["reason"].message,
                "Когда причина устранена, активируйте снова.",
                action="Повторить активацию",
            )
        case Category.RENEWAL:
            return _renewal(worded, facts["due"], rows, buyer)
        case Category.REMINDER:
            return _reminder(worded, facts, buyer, vendor)
    raise ValueError(f"{news.category} is no news for a partner")


def _renewal(worded: Any, due: ReminderDue, rows: tuple[tuple[str, str], ...], buyer: str) -> Worded:
    last, contract = day(due.service_until), due.contract
    more = []
    if contract is None:
        more = ["Договора 1С:ИТС у пользователя нет: без него продление не активируется."]
    elif contract.valid_until <= due.service_until:
        more = [
            f"Договор 1С:ИТС № {contract.number} действует до {day(contract.valid_until)}. Продлите и его: без "
            "договора продление не активируется."
        ]
    return _worded(
        worded,
        f"Сервис работает до {last}: {buyer}",
        f"{last} — последний день сервиса. Чтобы он не прерывался, продлите его: в заявке всё уже заполнено.",
        "Новый срок прибавится к прежнему, если активировать продление, пока сервис работает.",
        *more,
        rows=(*rows, ("Последний день", last)),
        action="Открыть и продлить",
    )


def _permission_to_partner(known: RuleState, rows: tuple[tuple[str, str], ...], path: str, buyer: str) -> Worded:
    paragraphs = ["Заявка согласована, номер разрешения выдан."]
    if known.invoice is None:
        paragraphs.append(
            f"Теперь слово за дистрибьютором ({known.distributor}): когда он подтвердит готовность оплатить счёт, "
            "заказ уйдёт в изготовление."
        )
    else:
        invoice = known.invoice
        paragraphs.append(
            f"Оплатите счёт № {invoice.number} от {day(invoice.issued_on)} на {money(invoice.amount)}. "
            f"В назначении платежа укажите номер счёта: «Оплата по счёту {invoice.number}»."
        )
        paragraphs.append("Когда деньги поступят, заказ уйдёт в изготовление. Документы — в заявке.")
        rows = tuple(each for each in rows if each[0] != "Сумма")
        rows = (*rows, ("Счёт", f"№ {invoice.number} от {day(invoice.issued_on)}"))
        rows = (
            *rows,
            ("К оплате", f"{money(invoice.amount)}, в том числе НДС {invoice.vat_rate:.0f}{NO_BREAK_SPACE}%"),
        )
    return Worded(f"Номер разрешения: {buyer}", tuple(paragraphs), rows, action="Открыть заявку", path=path)


def _payment(worded: Any, payment: PaymentReceived, buyer: str) -> Worded:
    came = "Зачтена переплата" if is_credited(payment.payment_id) else "Поступило"
    if payment.due:
        return _worded(
            worded,
            f"Оплата получена частично: {buyer}",
            f"{came} {money(payment.amount)} по счёту {payment.invoice_number}. Осталось {money(payment.due)}.",
        )
    more = f" Переплата {money(payment.overpaid)}." if payment.overpaid else ""
    return _worded(
        worded,
        f"Счёт оплачен: {buyer}",
        f"{came} {money(payment.amount)}, счёт {payment.invoice_number} оплачен полностью.{more} "
        "Заказ передан в изготовление.",
    )


# To the distributor


def _to_distributor(news: News, vendor: str) -> Worded:
    known, facts = news.known, news.facts
    buyer = (known.sale.client.name if known and known.sale else None) or "заявка"
    rows = _rows(known) if known else (("Заявка", str(news.request_id)),)
    path = "/waiting"

    def worded(title: str, *paragraphs: str, action: str | None = "Открыть портал", **more: Any) -> Worded:
        return Worded(title, paragraphs, more.pop("rows", rows), action=action, path=more.pop("path", path), **more)

    match news.topic or news.category:
        case NoticeKind.PERMISSION:
            return _permission_to_distributor(worded, _known(news), buyer, vendor)
        case NoticeKind.CONFIRMED:
            return worded("Ответ принят: вы готовы оплатить", "Заказ передан в изготовление.")
        case NoticeKind.DECLINED:
            return worded("Ответ принят: вы отказались", "Заявка закрыта, номер разрешения больше не действует.")
        case NoticeKind.HELD:
            return worded("Ответ получен раньше согласования", "Ответ сохранён; итог придёт после согласования заявки.")
        case NoticeKind.DUPLICATE:
            return worded("Повтор", "Этот ответ уже был получен под тем же номером. Ничего не изменилось.")
        case NoticeKind.REFUSED:
            title = "Ответ на заявку не принят"
            return worded(title, facts["reason"].message, f"Номер вашего ответа: {facts['receipt'].confirmation_id}.")
        case NoticeKind.UNREADABLE:
            return worded("Запись не удалось прочитать", facts["reason"].message, rows=())
        case NoticeKind.CLOSED:
            return worded(
                f"Партнёр отозвал заявку: {buyer}",
                "Подтверждать и подписывать ничего не нужно, номер разрешения больше не действует.",
            )
        case NoticeKind.DOCUMENT:
            document = facts["document"]
            return worded(
                f"{DOCUMENTS[document.kind]} № {document.number} на подпись",
                f"Подпишите документ и направьте его в {vendor}.",
            )
        case NoticeKind.SIGNED:
            document = facts["document"]
            return worded(f"{DOCUMENTS[document.kind]} № {document.number} подписан", "Подпись проверена и принята.")
        case NoticeKind.SIGNATURE_REFUSED:
            return _signature_refused(worded, facts)
        case NoticeKind.SHIPPED:
            return worded(f"Поставка изготовлена: {buyer}", f"Комплект {facts['kit']}.")
        case Category.REMINDER:
            return _reminder(worded, facts, buyer, vendor)
    raise ValueError(f"{news.topic} is no news for a distributor")


def _permission_to_distributor(worded: Any, known: RuleState, buyer: str, vendor: str) -> Worded:
    partner = known.sale.partner if known.sale else ""
    paragraphs = [f"Согласована заявка партнёра {partner}, номер разрешения выдан."]
    if known.confirmed:
        paragraphs.append("Вашу готовность оплатить счёт мы уже получили.")
        title = f"Номер разрешения: {buyer}"
    else:
        paragraphs.append("Ответьте, готовы ли вы оплатить счёт по этой заявке: до вашего ответа заказ не изготовят.")
        title = f"Ждём вашего ответа: {buyer}"
    for document in known.documents:
        paragraphs.append(
            f"{DOCUMENTS[document.kind]} № {document.number} от {day(document.issued_on)} сформирован: подпишите его и "
            f"направьте в {vendor}."
        )
    return _worded(worded, title, *paragraphs, action="Ответить на портале")


# Parts


def _known(news: News) -> RuleState:
    assert news.known is not None  # noqa: S101
    return news.known


def _worded(make: Any, *arguments: Any, **more: Any) -> Worded:
    made: Worded = make(*arguments, **more)
    return made


def _rows(known: RuleState) -> tuple[tuple[str, str], ...]:
    """What a reader looks for first; nothing that is not known yet."""
    sale = known.sale
    found = [("Номер разрешения", known.permission_number)]
    if sale is not None:
        kpp = f", КПП {sale.client.kpp}" if sale.client.kpp else ""
        found += [
            ("Товар", sale.product),
            ("Клиент", f"{sale.client.name}, ИНН {sale.client.inn}{kpp}"),
            ("Рег. номер поставки", sale.registration_number),
            ("Партнёр", sale.partner),
            ("Дистрибьютор", known.distributor),
            ("Сумма", money(sale.amount)),
        ]
    return tuple((label, value) for label, value in found if value)


def _note(facts: Any) -> Sequence[str]:
    return (f"Примечание дистрибьютора: {facts['note']}",) if facts.get("note") else ()


def _signature_refused(worded: Any, facts: Any) -> Worded:
    document = facts["document"]
    return _worded(
        worded,
        f"Подпись не принята: {DOCUMENTS[document.kind]} № {document.number}",
        facts["reason"].message,
        "Подпишите документ ещё раз и отправьте снова.",
    )


def _reminder(worded: Any, facts: Any, buyer: str, vendor: str) -> Worded:
    asked = WAITS.get(facts["waits_for"], "посмотрите заявку: она ждёт вашего действия").format(vendor=vendor)
    note = (facts["note"],) if facts.get("note") else ()
    return _worded(worded, f"Напоминание: {buyer}", f"Пожалуйста, {asked}.", *note)
