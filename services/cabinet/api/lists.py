"""What a request is filled in from: own contacts, distributors, base deliveries, products; companies by tax number."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request

from postavka.domain.calendar import today
from postavka.domain.reference.store import Snapshot, current
from postavka.domain.tax_register import NotAnswering
from postavka.kernel.process.logs import logger
from postavka.web.authorization import allowed
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.problem import problem
from postavka.web.state import Web, web
from services.cabinet.api.bodies import CompanyQuestion
from services.cabinet.api.reference_models import (
    BaseDeliveries,
    BaseDelivery,
    BranchOut,
    CompanyOut,
    Contact,
    Contacts,
    Distributor,
    Distributors,
    Product,
    Products,
)
from services.cabinet.api.requests import READER

log = logger(__name__)
router = APIRouter(tags=["lists"])
PARTNER = allowed(Role.PARTNER, scope=Scope.READ)
OfId = Annotated[str | None, Query(max_length=100)]


async def known(parts: Web) -> Snapshot:
    """The reference data of now. It keeps connections of its own, a thread each."""
    return await asyncio.to_thread(current, parts.conninfo)


@router.get("/contacts", operation_id="listContacts", summary="Your contact persons (L5)")
async def list_contacts(request: Request, principal: Annotated[Principal, PARTNER]) -> Contacts:
    """Of your own company only."""
    entry = (await known(web(request))).partners.get(principal.partner_id or "")
    contacts = entry.contacts.values() if entry else ()
    return Contacts(
        items=[Contact(id=each.id, name=each.name, email=each.email, phone=each.phone) for each in contacts]
    )


@router.get("/distributors", operation_id="listDistributors", summary="Distributors (L6)")
async def list_distributors(request: Request, principal: Annotated[Principal, READER]) -> Distributors:
    """By name."""
    found = sorted((await known(web(request))).distributors.values(), key=lambda each: each.name)
    return Distributors(items=[Distributor(id=each.id, name=each.name) for each in found])


@router.get("/base-deliveries", operation_id="listBaseDeliveries", summary="Base deliveries (L7)")
async def list_base_deliveries(
    request: Request, principal: Annotated[Principal, READER], product_id: OfId = None
) -> BaseDeliveries:
    """All, or those that this product can be bought for."""
    facts = await known(web(request))
    entry = facts.products.get(product_id or "")
    fits = facts.base_deliveries.keys() if product_id is None else entry.fits if entry else frozenset()
    found = sorted((each for each in facts.base_deliveries.values() if each.id in fits), key=lambda each: each.name)
    return BaseDeliveries(items=[BaseDelivery(id=each.id, name=each.name) for each in found])


@router.get("/products", operation_id="listProducts", summary="Products by period (L9)")
async def list_products(
    request: Request, principal: Annotated[Principal, READER], base_delivery_id: OfId = None
) -> Products:
    """All, or those that can be bought for this base delivery."""
    facts = await known(web(request))
    found = [entry for entry in facts.products.values() if base_delivery_id is None or base_delivery_id in entry.fits]
    found.sort(key=lambda entry: (entry.product.service, entry.product.months))
    return Products(
        items=[
            Product(
                id=entry.product.id,
                name=entry.product.name,
                service=entry.product.service.value,
                months=entry.product.months,
                price=f"{entry.product.price:.2f}",
                vat_rate=f"{entry.sold_on(today()).vat_rate:.2f}",
                fits=sorted(entry.fits),
            )
            for entry in found
        ]
    )


@router.post("/company-lookups", operation_id="lookUpCompany", summary="«Заполнить из ФНС» (L10)")
async def look_up_company(
    request: Request, principal: Annotated[Principal, PARTNER], body: CompanyQuestion
) -> CompanyOut:
    """Name and КПП by ИНН. 404: the register has no such number; 503: it doesn't answer, type by hand."""
    try:
        company = await web(request).register.find(body.inn)
    except NotAnswering as away:
        log.warning("the tax register does not answer", error=str(away)[:200])
        raise problem(
            503,
            "unavailable",
            "Сервис ФНС не отвечает. Заполните покупателя и КПП вручную.",
            headers={"Retry-After": "30"},
        ) from None
    if company is None:
        raise problem(404, "not-found", "В реестре нет такого ИНН. Проверьте его или заполните поля вручную.")
    return CompanyOut(
        inn=company.inn,
        kind=company.kind.value,
        name=company.name,
        standing=company.standing.value,
        branches=[
            BranchOut(kpp=each.kpp, name=each.name, address=each.address, is_head=each.is_head)
            for each in company.branches
        ],
        source=company.source,
        as_of=company.as_of,
    )
