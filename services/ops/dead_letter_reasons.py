"""Why records were not taken, in Russian: stages say it in English, in codes and sentences that commands show as they
are. Pure."""

from __future__ import annotations

import re

TITLES = {
    "unknown-type": "Неизвестный тип",
    "unreadable": "Запись не разобрать",
    "no-position": "Событие без позиции",
    "too-large": "Запись слишком велика",
    "bad-body": "Тело не по схеме",
    "wrong-key": "Неверный ключ",
    "no-subject": "Не видно, о какой заявке",
    "upgrade-unfinished": "Обновление не завершено",
    "decider-failed": "Ошибка в нашем коде",
    "incomplete": "Часть событий пропала",
    "no-input": "Топик больше не читается",
    "unknown-request": "Такой заявки нет",
    "no-such-request": "У партнёра нет такой заявки",
    "request-id-reused": "Номер занят другой заявкой",
    "channel-mismatch": "Канал продажи не подходит",
    "rejected-after-approval": "Отказ после согласования",
    "reserved-id": "Недопустимый номер платежа",
    "too-many-answers": "Слишком много ответов",
    "too-many-orders": "Слишком много распоряжений",
    "too-many-bases": "Слишком много оснований",
    "too-many-signatures": "Слишком много подписей",
    "too-many-declines": "Слишком много отказов",
    "gate-shut": "Основание не подходит заявке",
    "not-direct": "Счёт при продаже через дистрибьютора",
    "other-distributor": "Не тот дистрибьютор",
    "declined-after-order": "Отказ после заказа изготовления",
    "other-invoice": "У заявки другой счёт",
    "other-kit": "У заявки другой комплект",
    "not-ordered": "Изготовление не заказано",
    "unknown-document": "Нет такого документа",
    "not-verified": "Подпись не проверена",
    "already-signed": "Документ уже подписан",
    "not-a-sha256": "Это не SHA-256",
    "other-rendering": "Уже есть другая печатная форма",
    "other-delivery": "Документ уходит иначе",
    "already-dispatched": "Документ уже отправлен",
    "no-service": "Сервис не начинался",
    "no-power": "Нет доверенности",
    "day-ahead": "День ещё не наступил",
}
"""By the code of the reason."""

DIAGNOSES = {
    "unknown-type": "Этот выпуск не знает такого типа сообщения. После обновления повторите: запись будет прочитана. "
    "Если типа в записи нет, его можно назвать при исправлении.",
    "unreadable": "Запись нельзя разобрать: имя заголовка — не текст в UTF-8 либо пачка записей слишком велика после "
    "распаковки. Повтор не поможет. Одиночную запись можно исправить; пачку должен прислать заново отправитель.",
    "no-position": "Событие без позиции: его записала не сама стадия. Ищите, кто пишет в её топик в обход неё.",
    "too-large": "Запись больше, чем читается (1 000 000 байт). Отправителю нужно прислать её короче.",
    "bad-body": "Тело не подходит под схему типа. Причина называет поля; исправьте их или попросите отправителя.",
    "wrong-key": "Ключ записи должен быть номером заявки, строчными буквами. Исправьте ключ и отправьте заново.",
    "no-subject": "Из записи не видно, о какой заявке речь. Исправьте ключ или поле request_id.",
    "upgrade-unfinished": "Обновление не завершено, прежний выпуск такую запись не прочтёт. Вызовите "
    "postavka migrate --finish, перезапустите службы и повторите.",
    "decider-failed": "Ошибка в нашем коде: след есть в журнале службы. После исправления повторите.",
    "incomplete": "Хранилище стадии восстановлено из копии, и часть событий этой записи пропала: причина их называет. "
    "Повтор их не вернёт; решите вручную, что сделать по заявке.",
    "no-input": "Топик больше не читается этой стадией: например, дистрибьютор отключён.",
    "unknown-request": "Такой заявки нет. Если она появится позже, повторите.",
}
NO_TYPE = (
    "В записи нет типа (заголовка ce_type), поэтому неизвестно, что это. Повтор не поможет, и новый выпуск тоже. "
    "Если по телу ясно, что прислали, назовите тип при исправлении; иначе запись должен прислать заново отправитель."
)
UNKNOWN_CODE = "Стадия не смогла принять запись по своим правилам; причина названа ниже."

_SENTENCES = (
    (r"a record without ce_type is not taken here", "в записи нет типа (заголовка ce_type)"),
    (r"(\S+) is not taken here", r"стадия не принимает \1"),
    (r"the type (\S+) is not known to this release", r"тип \1 этому выпуску неизвестен"),
    (r"the record's key must be the request id in lower case", "ключ — не номер заявки строчными буквами"),
    (r"(\S+) is not a request id", r"\1 — не номер заявки"),
    (r"(\S+) is no input of this stage now", r"стадия больше не читает \1"),
    (r"the body is empty", "тела нет"),
    (r"not JSON: .*", "тело — не JSON"),
    (r"not a JSON object", "тело — не объект JSON"),
    (r"the partner has no request with this id", "заявки с этим номером у партнёра нет"),
    (
        r"this id belongs to a request with other content; make a new id",
        "под этим номером есть заявка с другим содержанием",
    ),
    (r"the request has no document (\S+)", r"документа \1 у заявки нет"),
)
"""What stages say as a whole."""
_OF_FIELDS = (
    (r"Field required", "обязательного поля нет"),
    (r"Extra inputs are not permitted", "лишнее поле"),
    (
        r"Input should be a valid (?:string|UUID|integer|decimal|boolean|date|datetime|list|object)\b.*",
        "значение не того вида",
    ),
    (r"Input should be (.*)", r"может быть только \1"),
    (r"String should have at least (\d+) characters?", r"короче, чем \1"),
    (r"String should have at most (\d+) characters?", r"длиннее, чем \1"),
    (r"String should match pattern .*", "не та форма"),
    (r"Invalid JSON: .*", "не JSON"),
    (r"Value error, .*", "значение не подходит"),
    (r"Decimal input should have no more than .*", "слишком много знаков"),
)
"""What is said of one field of a body that does not fit its type."""


def title_of(code: str) -> str:
    """What is wrong, in two or three words; the code where it has none."""
    return TITLES.get(code, code)


def diagnosis(code: str) -> str:
    """What such a record is, and what helps."""
    return DIAGNOSES.get(code, UNKNOWN_CODE)


def reason_in_russian(code: str, reason: str) -> str:
    """A stage's sentence in Russian; empty where there are no words for it. Of a body each field is named."""
    if (whole := _said(_SENTENCES, reason)) or code != "bad-body":
        return whole
    fields = []
    for part in reason.split("; "):
        place, _, what = part.partition(": ")
        said = _said(_OF_FIELDS, what)
        if not said:
            return ""
        fields.append(f"{place}: {said}")
    return "; ".join(fields)


def _said(words: tuple[tuple[str, str], ...], text: str) -> str:
    for pattern, russian in words:
        if found := re.fullmatch(pattern, text):
            return found.expand(russian)
    return ""
