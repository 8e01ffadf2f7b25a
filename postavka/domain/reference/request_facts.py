"""The facts that the rules of a request are held against, from a version of the reference data."""

from __future__ import annotations

from datetime import date

from postavka.domain.reference.store import Snapshot
from postavka.domain.request_rules import Asked, RequestFacts


def facts_from(known: Snapshot, partner_id: str, asked: Asked, day: date) -> RequestFacts:
    """What is known on this day (Moscow) under the ids that this partner's request names; of its contact persons the
    one that it names."""
    partner = known.partners.get(partner_id)
    product = known.products.get(asked.product_id or "")
    contact = partner.contacts.get(asked.contact_id or "") if partner else None
    return RequestFacts(
        version=known.version,
        partner=partner.partner if partner else None,
        contacts={asked.contact_id: contact} if asked.contact_id and contact else {},
        distributor=known.distributors.get(asked.distributor_id or ""),
        base_delivery=known.base_deliveries.get(asked.base_delivery_id or ""),
        product=product.sold_on(day) if product else None,
        fits=product.fits if product else frozenset(),
    )
