"""Sample messages of a type, made from its schema: what golden records and the examples of documents are.

Deterministic. The first sample is an everyday one; the others go through the choices a body has: every member of an
enumeration, a value or none, an empty list, texts that are empty, as long as they may be, or full of what breaks naive
code. Each choice appears in at least one sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from events.envelope import Envelope
from events.model import Command, Message, Statement
from events.schema import Schema, json_schema

LONG = ("Общество с ограниченной ответственностью «Щёлковский завод — ёлочные украшения № 7». " * 30).strip()
AWKWARD = 'Кавычки "двойные", «ёлочки», \\обратная черта\\, перевод\nстроки, табуляция\t, 𝒜 и 😀, <b>&amp;</b>'
AWKWARD_ID = 'Ид-7/«ёж» "#%{}\\ 😀'

EVERYDAY: dict[str, Any] = {
    "BankDocument.number": "117",
    "BankDocument.other_name": "ООО «Первый Партнёр»",
    "BankDocument.other_account": "40702810500000000017",
    "BankDocument.other_bic": "044525000",
    "BankDocument.our_account": "40702810000000000001",
    "BankDocument.statement": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "BaseDelivery.id": "upp-13",
    "BaseDelivery.name": "1С:Предприятие 8. Управление производственным предприятием",
    "Client.name": "ООО «Ромашка»",
    "Contact.id": "c-0042",
    "Contact.name": "Иванова Анна Сергеевна",
    "Contract.number": "ИТС-2025-7781",
    "Distributor.id": "d-soyuz",
    "Distributor.name": "ООО «Союз-Дистрибуция»",
    "Kit.name": "1С:ИТС Отраслевой, электронная поставка, 12 месяцев",
    "Kit.number": "K-000451",
    "Notice.distributor_id": "d-soyuz",
    "Notice.title": "Согласована заявка партнёра: ждём вашего ответа",
    "Notice.text": "Партнёр ООО «Первый Партнёр» покупает через вас «1С:ИТС Отраслевой на 12 месяцев».",
    "NoticeSale.product": "1С:ИТС Отраслевой на 12 месяцев",
    "NoticeSale.partner": "ООО «Первый Партнёр»",
    "NoticeReceipt.record": "distributors.d-soyuz.confirmations/4/17",
    "Partner.id": "p-1001",
    "Partner.name": "ООО «Первый Партнёр»",
    "PermissionIssued.number": "482-019-337-561-908-274-651",
    "Product.id": "its-industry-12",
    "Product.name": "1С:ИТС Отраслевой на 12 месяцев",
    "LetterPlace.stage": "billing",
    "LetterPlace.topic": "bank.payments",
    "LetterPlace.code": "bad-body",
    "LetterPlace.number": 12,
    "LetterPlace.offset": 4711,
    "DocumentRendered.form": "pdf/1",
    "DocumentSigned.form": "fns.upd-dop.buyer/5.03",
    "time_stamped_by": "CN=Служба штампов времени",
    "power_of_attorney": "5f8b7a6c-2d41-4c0e-9f3a-7b1c2d3e4f50",
    "DeclineDocument.reason": "Неверно указан КПП покупателя",
    "DocumentDeclined.reason": "Неверно указан КПП покупателя",
    "ReportRendering.form": "pdf/1",
    "Vendor.id": "softehno",
    "Vendor.name": "ООО «Софтехно»",
    "Reckoning.zone": "Europe/Moscow",
    "Reason.code": "inn.check-digits",
    "Reason.message": "ИНН 7707083890: контрольная цифра не сходится. Проверьте номер по карточке клиента.",
    "CreditOverpayment.note": "Письмо партнёра от 17.03.2026",
    "MatchPayment.note": "Платит материнская компания, письмо партнёра от 17.03.2026",
    "PaymentMatched.note": "Платит материнская компания, письмо партнёра от 17.03.2026",
    "WithdrawRequest.reason": "Клиент передумал",
    "RequestWithdrawn.reason": "Клиент передумал",
    "activated_by": "partner",
    "activation_id": "a-000017",
    "actor": "ivanova@romashka.example",
    "address": "125040, г. Москва, Ленинградский пр-т, д. 1",
    "account": "40702810000000000001",
    "bank": "АО «Пример-Банк»",
    "awaited_id": "d-soyuz",
    "base_delivery_id": "upp-13",
    "basis_id": "СД-77/2026",
    "bik": "044525000",
    "buyer": "ООО «Ромашка»",
    "client_email": "buh@romashka.example",
    "client_phone": "+7 495 000-00-01",
    "covers_sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "decline_id": "edo-8a1f",
    "declined_by": "d-soyuz",
    "edo_id": "2BM-7707083893-773601001-201412260000000000001",
    "family_name": "Сидоров",
    "form": "fns.upd-dop.seller/5.03",
    "given_name": "Сидор",
    "patronymic": "Сидорович",
    "post": "Генеральный директор",
    "postal_address": "125040, г. Москва, а/я 17",
    "title": "PD94bWwgdmVyc2lvbj0iMS4wIiBlbmNvZGluZz0id2luZG93cy0xMjUxIj8+",
    "certificate_serial": "01d94c6e5a7b8c9f",
    "certificate_subject": "CN=Петров Пётр Петрович, O=ООО «Союз-Дистрибуция»",
    "CheckpointSigned.note": "postavka/request.events\n11\nn4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\n\n"
    "— postavka-audit x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
    "FindingAcknowledged.code": "gate",
    "FindingAcknowledged.place": "shipping/812",
    "FindingAcknowledged.words": "manufacturing was ordered, and there is no such answer (L17)",
    "FindingAcknowledged.reason": "Заказано вручную по акту № 14; дистрибьютор подтвердил письмом",
    "FindingAcknowledged.note": "postavka/findings.acknowledged\ngate\nshipping/812\n"
    "0ffdd82927fba012491b4478689f8d47a73413a0c80b57a71c0e17bb04492e76\n"
    "6558767981f93069b044a025ad7c0c074fa654c288878702c05a029b6a0add35\nauditor-1\n2026-03-16T09:30:00.123456Z\n\n"
    "— postavka-audit 7zOj02iGCy9R/zCmWCbsJD68UEmUxvXpzUkPxNdAfZdz/VcwGW9+nup7YvZPlUK8odVQrIlN/yqqjffme761Nt8Erw8=\n",
    "acknowledged_by": "auditor-1",
    "erased_by": "privacy-1",
    "key_id": "p7Xk2mQ9aZs",
    "log": "request.events",
    "root": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "code": "KX7Q-0M2P-93TD",
    "comment": "Просим прислать документы до конца месяца",
    "confirmation_id": "СД-77/2026",
    "contact_id": "c-0042",
    "accountant": "Петрова А. Б.",
    "corrected_by": "ops-1",
    "corrected_sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "correspondent_account": "30101810400000000225",
    "country": "RU",
    "discarded_by": "ops-1",
    "dispatch_id": "edo-5f3c",
    "distributor_id": "d-soyuz",
    "document_id": "doc-000451",
    "email": "petrov@partner.example",
    "field": "inn",
    "given_by": "d-soyuz",
    "inn": "7707083893",
    "invoice_number": "2026-000123",
    "kpp": "770701001",
    "note": "К оплате готовы",
    "number": "2026-000123",
    "order_id": "ops-0000017",
    "ordered_by": "orlova@softehno.example",
    "partner_id": "p-1001",
    "payee_inn": "7707083893",
    "payer_id": "p-1001",
    "payer_inn": "7707083893",
    "payment_id": "bank-20260316-0007",
    "permission_number": "482-019-337-561-908-274-651",
    "phone": "+7 495 000-00-02",
    "procedure": "its-electronic-2020",
    "product_id": "its-industry-12",
    "purpose": "Оплата по счёту 2026-000123 от 16.03.2026, в том числе НДС 22 %",
    "recipient_id": "d-soyuz",
    "refund_id": "2026-000123-withdrawn",
    "registration_number": "800123456",
    "renews": "0198f3c2-7c1e-7a44-9b1d-3f0a5c6e7d80",
    "requested_by": "ops-1",
    "retried_by": "ops-1",
    "request_type": "1c8-updates-and-addons",
    "return_id": "bank-20260320-0003",
    "sent_by": "d-soyuz",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "signature": "MIIBszCCAVmgAwIBAgIUFakeButShapedLikeBase64=",
    "signature_sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "signer_inn": "7707083893",
    "submitted_by": "ivanova@partner.example",
    "tracking": "10100082848795",
    "vat_rate": "22",
    "waits_for": "confirmation",
    "withdrawn_by": "ivanova@partner.example",
}
"""Everyday values by field name, or by the part it is in and its name; a field that isn't here gets one by its type."""


def samples(message: type[Message]) -> list[Message]:
    """Messages of this type, the everyday one first."""
    schema = json_schema(message)
    count = _choices(schema, schema, "")
    return [message.model_validate(_value(schema, schema, "", turn)) for turn in range(count)]


def _resolve(root: Schema, part: Schema) -> Schema:
    """The part with its reference followed."""
    if "$ref" in part:
        return {**root["$defs"][part["$ref"].removeprefix("#/$defs/")], **part, "$ref": None}
    return part


def _everyday(name: str, otherwise: Any = None) -> Any:
    return EVERYDAY.get(name, EVERYDAY.get(name.rpartition(".")[2], otherwise))


def _options(part: Schema, name: str) -> Sequence[Any]:
    """What a part that is no object, list or union can be; the everyday value first."""
    if "const" in part:
        return [part["const"]]
    if "enum" in part:
        usual = _everyday(name)
        return sorted(part["enum"], key=lambda member: member != usual)
    match part["type"]:
        case "null":
            return [None]
        case "boolean":
            return [True, False]
        case "integer":
            return [part.get("minimum", 0) + 11, part.get("minimum", 0), part.get("maximum", 2**53 - 1)]
        case "string":
            return _texts(part, name)
    raise ValueError(f"no message has a part like this one until now: {part}")


def _texts(part: Schema, name: str) -> Sequence[str]:
    match part.get("format"):
        case "uuid":
            return ["0198f3c2-7c1e-7a44-9b1d-3f0a5c6e7d81", "ffffffff-ffff-4fff-bfff-ffffffffffff"]
        case "date":
            return ["2026-03-16", "2024-02-29", "2099-12-31"]
        case "date-time":
            return ["2026-03-16T09:30:00.123456Z", "2026-12-31T23:59:59Z"]
        case "decimal":
            return _decimals(part, name)
    longest = part.get("maxLength", 3_000)
    usual = _everyday(name, "Образец: " + name)[:longest]
    if "pattern" in part:
        return [usual, (LONG * (longest // len(LONG) + 1))[:longest], AWKWARD_ID]
    texts = [usual, (LONG * 2)[: min(longest, 2_000)], AWKWARD[:longest]]
    return [*texts, ""] if not part.get("minLength") else texts


def _decimals(part: Schema, name: str) -> Sequence[str]:
    if "x-maximum" in part:
        return [_everyday(name, part["x-maximum"]), part.get("x-minimum", "0"), part["x-maximum"]]
    if name.endswith(".vat_rate"):
        return [_everyday(name), "0", "18.00"]
    return ["19200.00", "0.01", "9999999999999.99", *(["0.00"] if "x-exclusiveMinimum" not in part else [])]


def _fields(part: Schema) -> list[tuple[str, Schema]]:
    """Properties of an object with their names, `Partner.id`."""
    owner = part["title"].partition(".")[0]
    return [(f"{owner}.{key}", inner) for key, inner in part.get("properties", {}).items()]


def _choices(root: Schema, part: Schema, name: str) -> int:
    """How many samples it takes for each choice inside this part to be made at least once."""
    part = _resolve(root, part)
    if "anyOf" in part:
        return sum(_choices(root, option, name) for option in part["anyOf"])
    if part.get("type") == "object":
        return max((_choices(root, inner, key) for key, inner in _fields(part)), default=1)
    if part.get("type") == "array":
        return 1 + _choices(root, part["items"], name)
    return len(_options(part, name))


def _value(root: Schema, part: Schema, name: str, turn: int) -> Any:
    """The part's value in sample number `turn`."""
    part = _resolve(root, part)
    if "anyOf" in part:
        turn %= _choices(root, part, name)
        for option in part["anyOf"]:
            if turn < (own := _choices(root, option, name)):
                return _value(root, option, name, turn)
            turn -= own
    if part.get("type") == "object":
        return {key.rpartition(".")[2]: _value(root, inner, key, turn) for key, inner in _fields(part)}
    if part.get("type") == "array":
        inside = _choices(root, part["items"], name)
        if turn % (inside + 1) == inside:
            return []
        return [_value(root, part["items"], name, (turn + step) % inside) for step in range(1 + turn % 2)]
    options = _options(part, name)
    return options[turn % len(options)]


def sample_envelope(message: Message, number: int = 1) -> Envelope:
    """The envelope of sample `number` (1, 2, 3 …) of a message: a stage's for an event, an outside sender's for a
    command. An outside sender has no positions and no clock. The subject of a command that names no request is the id
    of the payment or the return it is about.
    """
    subject = "0198f3c2-7c1e-7a44-9b1d-3f0a5c6e7d81"
    happened = datetime(2026, 3, 16, 9, 30, number, 123_456, UTC)
    name = message.TYPE.partition(".")[0]
    if isinstance(message, Command):
        named = (getattr(message, name, None) for name in ("return_id", "payment_id", "request_id"))
        subject = str(next(filter(None, named), subject))
        return Envelope(f"{name}-{number}", "/samples/sender", message.TYPE, subject, happened)
    if isinstance(message, Statement):
        subject = str(getattr(message, "log", "") or getattr(message, "key_id", "") or "findings.acknowledged")
        return Envelope(f"{name}-{number}", "/postavka/audit", message.TYPE, subject, happened)
    stage = type(message).__module__.rpartition(".")[2]
    return Envelope(
        id=f"{subject}/{number}",
        source=f"/postavka/{stage}",
        type=message.TYPE,
        subject=subject,
        time=happened,
        clock=(int(happened.timestamp() * 1000) << 16) + number,
        causation=f"/samples/sender#{name}-{number}",
        correlation=f"/samples/sender#{name}-{number}",
        position=number,
        input=f"commands.samples/3/{number}",
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" if number % 2 else None,
    )
