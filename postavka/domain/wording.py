"""The words for things, one table a kind of thing: every page, e-mail and command takes it from here. Pure: deciders
may use it."""

from __future__ import annotations

from collections.abc import Mapping

from events.request import REQUEST_TYPE
from events.shipping import DocumentKind

MAIL_TROUBLES: Mapping[str, str] = {
    "the mail server can't be reached": "почтовый сервер недоступен",
    "the certificate of the mail server is not trusted": "сертификату почтового сервера нет доверия",
    "the mail server refuses our name or password": "почтовый сервер не принимает наше имя или пароль",
    "the mail server refuses us as a sender": "почтовый сервер не принимает писем от нас",
    "the mail server did not answer": "почтовый сервер не ответил",
    "the letter can't be written": "письмо не составить",
}
"""What keeps letters from going out, as services say it and as pages do."""

REQUEST_TYPES: Mapping[str, str] = {REQUEST_TYPE: "1С:Предприятие 8. Обновления и дополнения"}
"""The types of requests that can be sent; the letter knows one (L4)."""

STATUSES: Mapping[str, str] = {
    "submitted": "На согласовании",
    "awaiting-confirmation": "Ждёт дистрибьютора",
    "awaiting-payment": "Ждёт оплаты",
    "manufacturing": "Изготавливается",
    "shipped": "Ждёт активации",
    "activated": "Активирована",
    "rejected": "Не согласована",
    "declined": "Дистрибьютор отказал",
    "withdrawn": "Отозвана",
}
"""Where a request stands."""

STAGES: Mapping[str, str] = {
    "request": "Заявка",
    "approval": "Согласование",
    "billing": "Расчёты",
    "shipping": "Отгрузка",
    "activation": "Активация",
    "renewal": "Продление",
}
"""The stages, in the order of the procedure."""

STAGE_COLOURS: Mapping[str, str] = {
    "request": "cyan",
    "approval": "green",
    "billing": "yellow",
    "shipping": "magenta",
    "activation": "blue",
    "renewal": "bright_blue",
}
"""Colour of each stage on a terminal, as `rich` names it."""

DOCUMENTS: Mapping[str, str] = {
    DocumentKind.ACT: "Акт приема-передачи",
    DocumentKind.INVOICE: "Счет на оплату",
    DocumentKind.SHIPPING: "Документы на отгрузку",
}
"""The kinds of documents, spelled as the vendor's letter spells them and as it stands on the documents."""

ANY_DOCUMENT = "Документ"
"""A document of a kind that this release doesn't know."""

DOCUMENT_FILES: Mapping[str, str] = {
    DocumentKind.ACT: "Акт",
    DocumentKind.INVOICE: "Счет",
    DocumentKind.SHIPPING: "УПД",
}
"""How the name of a document's file begins, and what it is called in a list of paper to be posted."""

RENDERING_HEADINGS: Mapping[str, str] = {**DOCUMENTS, DocumentKind.SHIPPING: "Передаточный документ"}
"""The first line of a rendering for people. Part of documents' bytes."""

TRANSFER_DOCUMENTS: Mapping[str, str] = {
    DocumentKind.ACT: DOCUMENTS[DocumentKind.ACT],
    DocumentKind.SHIPPING: "Универсальный передаточный документ",
}
"""What a universal transfer document calls itself (`НаимДокОпр`). Part of documents' bytes."""

SERVICES: Mapping[str, str] = {
    "its-industry": "1С:ИТС Отраслевой",
    "upp-extension": "Продление поддержки УПП",
}
"""Short names of the services, for lists; documents bear the full ones."""


def document_file(kind: str) -> str:
    """How the name of a document's file begins."""
    return DOCUMENT_FILES.get(kind, ANY_DOCUMENT)


def document_name(kind: str) -> str:
    """The name of a document's kind."""
    return DOCUMENTS.get(kind, ANY_DOCUMENT)
