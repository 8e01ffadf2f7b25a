"""Errors of the API: RFC 9457, in Russian, each field's mistake by JSON pointer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.responses import Response

from postavka.domain.email_address import BadAddress

MEDIA_TYPE = "application/problem+json"
TYPES = "/api/problems#"
"""Where each type is explained; a reference relative to the API's own address."""


class FieldError(BaseModel):
    """What is wrong with one part of what was sent."""

    pointer: str = Field(description="JSON Pointer (RFC 6901) into the body; `#/query/…`, `#/header/…` for the others")
    code: str = Field(description="Stable, for programs")
    detail: str = Field(description="In Russian, for people")


class ProblemBody(BaseModel):
    """An error as it is answered (RFC 9457)."""

    type: str
    title: str = Field(description="What is wrong, for people, in Russian")
    status: int = Field(description="The same as the answer's")
    detail: str | None = Field(None, description="More about this case, for people, in Russian")
    instance: str | None = Field(None, description="Path of the call")
    errors: list[FieldError] = Field([], description="One for each field that is wrong")


class Problem(Exception):
    """Raise it anywhere; pages show it as a page, the API as `application/problem+json`."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status, self.code, self.title, self.detail = status, code, title, detail
        self.errors, self.headers = list(errors), dict(headers or {})

    def body(self, instance: str | None = None) -> ProblemBody:
        """The body of the answer, as RFC 9457 has it."""
        return ProblemBody(
            type=TYPES + self.code,
            title=self.title,
            status=self.status,
            detail=self.detail,
            instance=instance,
            errors=self.errors,
        )

    def response(self, instance: str | None = None) -> Response:
        """The answer of the API."""
        content = self.body(instance).model_dump(mode="json", exclude_none=True)
        if not self.errors:
            content.pop("errors")
        return Response(orjson.dumps(content), self.status, self.headers, MEDIA_TYPE)


RUSSIAN = "russian"
"""Key in a validation error's context under which a validator of ours puts its own sentence."""

CODES: Mapping[str, str] = {
    "bad-request": "Запрос не разобран",
    "invalid": "Проверьте данные",
    "not-signed-in": "Нужен вход или токен",
    "not-found": "Не найдено",
    "misdirected": "Такого имени у этого сервера нет",
    "method-not-allowed": "Так обращаться сюда нельзя",
    "forged": "Запрос пришёл не с наших страниц",
    "conflict": "Сейчас это невозможно",
    "gone": "Этого места в ленте больше нет",
    "too-large": "Слишком много данных",
    "too-slow": "Данные шли слишком долго",
    "wrong-type": "Такой вид данных не принимается",
    "too-many": "Слишком много запросов",
    "idempotency-key-missing": "Нужен заголовок Idempotency-Key",
    "idempotency-key-in-use": "Первый запрос с этим ключом ещё выполняется",
    "idempotency-key-reused": "Этот ключ уже был у другого запроса",
    "not-sent": "Сейчас отправить не удалось",
    "unavailable": "Сервис временно недоступен",
    "internal": "Ошибка на нашей стороне",
}
"""Every code with its title."""

EXPLANATIONS: Mapping[str, str] = {
    "bad-request": "Сервер не понял запрос: тело не JSON, неверное место в списке (after) или заголовок. Исправьте "
    "и отправьте снова.",
    "invalid": "Какие-то поля неверны. Каждое названо в errors: pointer — где, code — для программ, detail — "
    "для людей.",
    "not-signed-in": "Нет токена, или он отозван, истёк либо введён с ошибкой. Новый создаётся в учётной записи "
    "кабинета.",
    "not-found": "Такого адреса или объекта нет, либо он принадлежит другой организации, либо токену это не "
    "разрешено: эти случаи не различаются намеренно.",
    "misdirected": "Имя сервера в адресе (заголовок Host) нам не известно. Откройте кабинет по адресу, "
    "который вам дали.",
    "method-not-allowed": "Адрес есть, но не для этого метода. Разрешённые названы в заголовке Allow.",
    "forged": "Запрос из браузера пришёл не с наших страниц или без защитного знака X-CSRF-Token. Программам с"
    " токеном он не нужен.",
    "conflict": "Объект уже в другом состоянии: например, заявка отозвана или поставка активирована. Прочитайте "
    "её снова.",
    "gone": "Базу восстановили из копии, и место в ленте событий, с которого вы продолжаете, пропало. Прочитайте ленту "
    "с начала: id событий прежние, уже обработанные пропустите.",
    "too-large": "Тело запроса больше, чем принимается.",
    "too-slow": "Тело запроса не пришло вовремя. Проверьте связь и повторите с тем же ключом.",
    "wrong-type": "Нужен Content-Type: application/json.",
    "too-many": "Слишком часто. Повторите через столько секунд, сколько названо в заголовке Retry-After.",
    "idempotency-key-missing": "Изменяющему запросу нужен заголовок Idempotency-Key: строка в кавычках, своя "
    "для каждого "
    "действия и та же при повторе.",
    "idempotency-key-in-use": "Первый запрос с этим ключом ещё выполняется. Повторите через секунду: будет его ответ.",
    "idempotency-key-reused": "С этим ключом уже был запрос с другим содержанием. Для нового действия нужен "
    "новый ключ.",
    "not-sent": "Журнал не подтвердил приём вовремя. Повторите с тем же ключом: второго действия не будет.",
    "unavailable": "Часть системы временно не отвечает. Повторите через время из Retry-After или через минуту.",
    "internal": "Ошибка в самой системе; она записана. Повторите позже с тем же ключом.",
}
"""What each means and what to do, for the page that `type` leads to."""


def problem(
    status: int,
    code: str,
    detail: str | None = None,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Problem:
    """A problem with the title that `CODES` has for it."""
    return Problem(status, code, CODES[code], detail, errors=errors, headers=headers)


def not_found() -> Problem:
    """The problem that there is no such thing, or that it is not yours: one answer for both."""
    return problem(404, "not-found", "Такого адреса или объекта нет, либо он вам не доступен.")


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for an error that the framework raises by number alone."""
    match status:
        case 404 | 403:
            return not_found()
        case 401:
            return problem(401, "not-signed-in", headers={"WWW-Authenticate": "Bearer", **(headers or {})})
        case 405:
            return problem(405, "method-not-allowed", headers=headers)
        case 408:
            return problem(408, "too-slow", headers=headers)
        case 413:
            return problem(413, "too-large", headers=headers)
        case 415:
            return problem(415, "wrong-type", headers=headers)
        case 429:
            return problem(429, "too-many", headers=headers)
        case 503:
            return problem(503, "unavailable", "Повторите через минуту.", headers=headers)
        case _ if status >= 500:
            return problem(status, "internal", headers=headers)
        case _:
            return Problem(status, "bad-request", CODES["bad-request"], HTTPStatus(status).phrase, headers=headers)


def of_validation(error: RequestValidationError) -> Problem:
    """Every mistake that the models found. What was typed is not repeated: it may be a secret."""
    found = [_field_error(each) for each in error.errors()]
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return problem(400, "bad-request", "Тело запроса — не JSON.", errors=found)
    return problem(422, "invalid", "Исправьте указанное и отправьте снова.", errors=found)


def _field_error(error: Mapping[str, Any]) -> FieldError:
    place, *rest = error["loc"] or ("body",)
    steps = rest if place == "body" else [place, *rest]
    pointer = "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return FieldError(pointer=pointer, code=error["type"], detail=_in_russian(error))


def _in_russian(error: Mapping[str, Any]) -> str:
    context: Mapping[str, Any] = error.get("ctx") or {}
    if RUSSIAN in context:
        return str(context[RUSSIAN])
    match error["type"]:
        case "missing":
            return "Обязательное поле."
        case "extra_forbidden":
            return "Такого поля нет."
        case "string_too_long" | "too_long" | "bytes_too_long":
            return f"Слишком длинно: можно не больше {context.get('max_length')}."
        case "string_too_short" | "too_short":
            return f"Слишком коротко: нужно не меньше {context.get('min_length')}."
        case "string_pattern_mismatch":
            return "Неверный формат."
        case "string_type" | "string_unicode":
            return "Нужна строка."
        case "bool_parsing" | "bool_type":
            return "Нужно true или false."
        case "int_parsing" | "int_type" | "int_from_float":
            return "Нужно целое число."
        case "greater_than_equal":
            return f"Нужно не меньше {context.get('ge')}."
        case "less_than_equal":
            return f"Нужно не больше {context.get('le')}."
        case "uuid_parsing" | "uuid_type":
            return "Нужен UUID."
        case "date_from_datetime_parsing" | "date_parsing" | "date_type":
            return "Нужна дата вида 2026-03-16."
        case "enum" | "literal_error":
            return f"Можно одно из: {context.get('expected')}."
        case "json_invalid":
            return "Это не JSON."
        case "list_type" | "model_attributes_type" | "model_type" | "dict_type":
            return "Нужна другая структура: смотрите описание API."
        case "value_error" if isinstance(wrong := context.get("error"), BadAddress):
            return wrong.russian
        case _:
            return "Неверное значение."
