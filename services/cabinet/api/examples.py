"""What bodies and answers of the API look like, by the name of their schema. Everybody in them is invented."""

from __future__ import annotations

from typing import Any

from events.shipping import DocumentKind
from postavka.domain.wording import document_name

REQUEST = "7927d160-0f0c-4e3c-8f2a-1a1f0e6f7c55"
TYPED = {
    "contact_id": "lukomor-1",
    "distributor_id": "dist-north",
    "base_delivery_id": "upp-13",
    "registration_number": "1000001",
    "product_id": "upp-extension-12",
    "inn": "7707083893",
    "kpp": "773601001",
    "buyer": "АО «Завод точных весов»",
    "comment": None,
    "client_email": "zakaz@zavod.example",
    "client_phone": None,
    "renews": None,
}
DOCUMENT = {
    "document_id": "act-2026-0000017",
    "kind": "act",
    "title": document_name(DocumentKind.ACT),
    "number": "2026-0000017",
    "issued_on": "2026-03-16",
    "recipient_id": "dist-north",
    "yours_to_sign": False,
    "delivery": "edo",
    "form": "fns.upd-dop.seller/5.03",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "pdf": True,
    "dispatched_at": "2026-03-16T09:31:00Z",
    "tracking": None,
    "signed_at": None,
    "refusals": [],
}
RECORD = {
    "request_id": REQUEST,
    "number": "2026-000017",
    "status": "awaiting-confirmation",
    "status_title": "Ждёт ответа дистрибьютора",
    "version": "1-1-1-3-0",
    "submitted_at": "2026-03-16T09:30:00.123456Z",
    "submitted_by": "anna",
    "partner_id": "lukomor",
    **TYPED,
    "product": "Продление поддержки конфигурации «Управление производственным предприятием» на 12 месяцев",
    "amount": "32400.00",
    "reasons": [],
    "permission_number": "482-019-337-561-908-274-651",
    "invoice": None,
    "paid": None,
    "due": None,
    "kit": None,
    "shipped_on": None,
    "activation": None,
    "term": None,
    "activation_refusal": None,
    "documents": [DOCUMENT],
    "can_withdraw": True,
}
ANSWER = {"accepted": True, "note": "до пятницы"}
EVENT = {
    "specversion": "1.0",
    "id": f"{REQUEST}/2",
    "source": "/postavka/shipping",
    "type": "PermissionIssued.v1",
    "subject": REQUEST,
    "time": "2026-03-16T09:30:00.513204Z",
    "datacontenttype": "application/json",
    "causationid": f"/postavka/approval#{REQUEST}/1",
    "correlationid": "0198f3c2-7c1e-7a44-9b1d-3f0a5c6e7d81",
    "cursor": "17.5f3c09ab",
    "data": {"number": "482-019-337-561-908-274-651", "partner_id": "lukomor", "distributor_id": "dist-north"},
}
WEBHOOK = {
    "webhook_id": "5e8a3c1f-2b7d-5f4a-9c60-1d2e3f4a5b6c",
    "url": "https://erp.lukomor.example/postavka",
    "types": ["Approved", "PermissionIssued"],
    "is_on": True,
    "off_reason": None,
    "failing_since": None,
    "former_secret_until": None,
    "created_at": "2026-03-16T09:00:00Z",
    "created_by": "token:erp",
}
DELIVERY = {
    "number": 17,
    "request_id": REQUEST,
    "type": "PermissionIssued.v1",
    "status": "sent",
    "tries": 1,
    "next_at": None,
    "tried_at": "2026-03-16T09:30:01.213204Z",
    "took_ms": 84,
    "answered": 204,
    "said": "",
}
PLAN = {
    "plan_id": "3c1f2f0e-55c0-5d1b-8a3f-6f0f5f3f9b11",
    "title": "Активировать Продление поддержки, 12 месяцев на 32 400,00 ₽ для АО «Завод точных весов»",
    "request_ids": [REQUEST],
    "not_before": "2026-04-01T06:00:00Z",
    "state": "waiting",
    "finished_at": None,
    "outcome": None,
}

EXAMPLES: dict[str, Any] = {
    "NewRequest": TYPED,
    "Withdrawal": {"reason": "Клиент передумал", "not_before": None},
    "ActivationOrder": {"not_before": "2026-04-01T06:00:00Z"},
    "Answer": {**ANSWER, "not_before": None},
    "Answers": {"answers": [{"request_id": REQUEST, **ANSWER}], "not_before": None, "dry_run": False},
    "BulkRequestOrder": {
        "requests": [{name: value for name, value in TYPED.items() if name != "renews"} | {"client_as_typed": False}],
        "dry_run": False,
    },
    "BulkOut": {
        "bulk_id": "3b0d54f0-8c1e-5a44-9b1d-3f0a5c6e7d81",
        "state": "sent",
        "ready": 0,
        "wrong": 1,
        "sent": 1,
        "already": 0,
        "rows": [
            {"row": 0, "request_id": REQUEST, "state": "sent", "errors": [], "status": "awaiting-confirmation"},
            {
                "row": 1,
                "request_id": "1f0e6f7c-0f0c-4e3c-8f2a-1a7927d1607c",
                "state": "wrong",
                "errors": [{"field": "kpp", "message": "Укажите КПП организации."}],
                "status": None,
            },
        ],
    },
    "Signature": {"signature": "MIIBszCCAVmgAwIBAgIUQUJD"},
    "Signatures": {
        "signatures": [
            {"request_id": REQUEST, "document_id": "act-2026-0000017", "signature": "MIIBszCCAVmgAwIBAgIUQUJD"}
        ]
    },
    "SignatureResults": {
        "results": [
            {
                "request_id": REQUEST,
                "document_id": "act-2026-0000017",
                "result": "accepted",
                "message": "Подпись отправлена на проверку.",
            }
        ]
    },
    "WaitingDocuments": {"items": [{"request_id": REQUEST, "document": {**DOCUMENT, "yours_to_sign": True}}]},
    "Refusal": {"reason": "Неверно указан КПП покупателя"},
    "PublicActivation": {"registration_number": "1000001", "code": "7927-D160"},
    "CompanyQuestion": {"inn": "7707083893"},
    "Accepted": {"request_id": REQUEST, "message": "Заявка отправлена.", "plan_id": None},
    "Plan": PLAN,
    "PlanPage": {"items": [PLAN]},
    "AcceptedActivation": {
        "request_id": REQUEST,
        "activation_id": "0198f3c2-7c1e-7a44-9b1d-3f0a5c6e7d81",
        "message": "Активация отправлена.",
        "plan_id": None,
    },
    "AnswerResults": {
        "results": [{"request_id": REQUEST, "result": "accepted", "message": "Ответ отправлен."}],
        "plan_id": None,
    },
    "RequestOut": RECORD,
    "RequestPage": {"items": [RECORD], "next": None},
    "NotRenewedPage": {
        "month": "2026-11",
        "items": [
            {
                "request_id": REQUEST,
                "last_day": "2026-11-14",
                "partner_id": "lukomor",
                "partner": "ООО «Лукоморье»",
                "distributor": "ООО «Северный дистрибьютор»",
                "buyer": "АО «Завод точных весов»",
                "inn": "7707083893",
                "product": "Продление поддержки конфигурации «Управление производственным предприятием» на 12 месяцев",
                "registration_number": "1000001",
                "amount": "32400.00",
            }
        ],
        "next": None,
    },
    "Timeline": {
        "request_id": REQUEST,
        "moments": [
            {
                "at": "2026-03-16T09:30:00.123456Z",
                "kind": "submitted",
                "title": "Заявка отправлена",
                "who": "anna",
                "detail": None,
                "reasons": [],
                "document_id": None,
                "clause": "L11",
            }
        ],
    },
    "RequestCopy": TYPED,
    "DocumentList": {"items": [DOCUMENT]},
    "EventPage": {"items": [EVENT], "next": "17.5f3c09ab", "more": False},
    "NewWebhook": {"url": "https://erp.lukomor.example/postavka", "types": ["Approved", "PermissionIssued"]},
    "Replay": {"after": "17.5f3c09ab"},
    "WebhookOut": WEBHOOK,
    "WebhookList": {"items": [WEBHOOK]},
    "WebhookSecret": {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD0g0n6SNrHMI="},
    "DeliveryOut": DELIVERY,
    "DeliveryPage": {"items": [DELIVERY], "next": None},
    "DeliveryDetail": {**DELIVERY, "message_id": "b9a3c1de-5a5c-5b58-9a44-3c7a8a6d4f10", "payload": EVENT},
    "Contacts": {
        "items": [
            {
                "id": "lukomor-1",
                "name": "Ветрова Алина Сергеевна",
                "email": "vetrova@lukomor.example",
                "phone": "+7 495 000-01-01",
            }
        ]
    },
    "Distributors": {"items": [{"id": "dist-north", "name": "ООО «Северный дистрибьютор»"}]},
    "BaseDeliveries": {"items": [{"id": "upp-13", "name": "Управление производственным предприятием"}]},
    "Products": {
        "items": [
            {
                "id": "upp-extension-12",
                "name": "Продление поддержки на 12 месяцев",
                "service": "upp-extension",
                "months": 12,
                "price": "32400.00",
                "vat_rate": "22.00",
                "fits": ["upp-13"],
            }
        ]
    },
    "CompanyOut": {
        "inn": "7707083893",
        "kind": "organisation",
        "name": "АО «Завод точных весов»",
        "standing": "active",
        "branches": [
            {"kpp": "773601001", "name": "АО «Завод точных весов»", "address": "г. Москва", "is_head": True},
        ],
        "source": "ЕГРЮЛ",
        "as_of": "2026-03-16",
    },
    "ActivationResult": {
        "state": "activated",
        "message": "Сервис активирован.",
        "product": "Продление поддержки на 12 месяцев",
        "service_from": "2026-03-16",
        "service_until": "2027-03-15",
    },
    "Me": {
        "name": "Анна",
        "role": "partner",
        "partner_id": "lukomor",
        "distributor_id": None,
        "scopes": ["read", "submit"],
    },
    "Problem": {
        "type": "/api/problems#not-found",
        "title": "Не найдено",
        "status": 404,
    },
}
