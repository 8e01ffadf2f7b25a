"""What each tenant sees of an event: the types, and of each the fields. Pure.

What is not named here is not told: a new type, or a new field, is seen by nobody until somebody writes it down. It is
what the pages and the history of a request show. A distributor is told of approved requests that name it, and never of
the code of a kit, nor how to reach a partner's people. Orders of operations about money, what only moves a stage, and
whose money it was that nobody could place, are told to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from events import activation, approval, billing, renewal, request, shipping
from events.upcasting import newest_version
from postavka.web.identity.principal import Role, without_name

Names = Mapping[str, Any]
"""Names of fields that are seen. A mapping behind a name tells the same of the object in the field; None: the whole."""


def names(text: str, **parts: Names) -> Names:
    """The fields named, with blanks between them; of `parts` only what is named in them."""
    return {**dict.fromkeys(text.split()), **parts}


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of one type of event. `distributor`: None where it is told to the partner alone."""

    partner: Names
    distributor: Names | None


def _for_both(seen: Names) -> View:
    return View(seen, seen)


_COMPANY = names("id name inn kpp address")
_CLIENT = names("inn kpp name")
_PRODUCT = names("id service name months price vat_rate")
_BASE = names("id name")
_REASON = names("code message field")
_REQUEST = names(
    "procedure partner_id submitted_by request_type contact_id distributor_id base_delivery_id registration_number "
    "product_id inn buyer kpp comment client_email client_phone renews"
)
_APPROVED = names(
    "procedure request_type channel registration_number",
    partner=_COMPANY, distributor=_COMPANY, base_delivery=_BASE, product=_PRODUCT, client=_CLIENT,
)  # fmt: skip
_SHIPPED = names("channel partner_id distributor_id registration_number shipped_on", product=_PRODUCT, client=_CLIENT)
_PAID = "invoice_number amount paid overpaid"

VIEWS: Mapping[str, View] = {
    request.RequestSubmitted.TYPE: _for_both(_REQUEST),
    request.RequestWithdrawn.TYPE: _for_both(names("withdrawn_by reason")),
    approval.Approved.TYPE: View(
        {**_APPROVED, "contact": names("id name email phone")}, {**_APPROVED, "contact": names("id name")}
    ),
    approval.Rejected.TYPE: View(names("partner_id", reasons=_REASON), None),
    billing.InvoiceIssued.TYPE: View(names("number issued_on amount vat_rate payer_id payer_inn"), None),
    billing.PaymentReceived.TYPE: View(names(f"payment_id received_on payer_inn due {_PAID}"), None),
    billing.PaymentReturned.TYPE: View(names(f"return_id is_debt returned_on payee_inn due owed {_PAID}"), None),
    billing.RefundOwed.TYPE: View(names("refund_id invoice_number amount owed payee_inn cause"), None),
    billing.RefundPaid.TYPE: View(names(f"return_id paid_on payee_inn owed {_PAID}"), None),
    billing.OverpaymentCredited.TYPE: View(names(f"payment_id to_invoice credited_on payer_inn {_PAID}"), None),
    billing.DistributorConfirmed.TYPE: _for_both(names("distributor_id confirmation_id note")),
    billing.DistributorDeclined.TYPE: _for_both(names("distributor_id confirmation_id note")),
    billing.ConfirmationRefused.TYPE: _for_both(names("distributor_id confirmation_id", reason=_REASON)),
    billing.BillingClosed.TYPE: View(names("reason to_return"), None),
    shipping.PermissionIssued.TYPE: _for_both(names("number partner_id distributor_id")),
    shipping.DocumentIssued.TYPE: _for_both(
        names("document_id kind number issued_on issued_at recipient_id signer_inn delivery form sha256")
    ),
    shipping.DocumentRendered.TYPE: _for_both(names("document_id form sha256")),
    shipping.DocumentDispatched.TYPE: _for_both(names("document_id delivery dispatch_id tracking")),
    shipping.DocumentSigned.TYPE: _for_both(
        names("document_id signer_inn signed_at signature_sha256 form covers_sha256 power_of_attorney")
    ),
    shipping.SignatureRefused.TYPE: _for_both(names("document_id signature_sha256", reason=_REASON)),
    shipping.DocumentDeclined.TYPE: _for_both(names("document_id decline_id reason declined_by")),
    shipping.ManufacturingOrdered.TYPE: _for_both(
        names("basis basis_id permission_number registration_number", product=_PRODUCT, client=_CLIENT)
    ),
    shipping.ShipmentIssued.TYPE: View(
        {**_SHIPPED, "kit": names("number name code")}, {**_SHIPPED, "kit": names("number name")}
    ),
    shipping.WithdrawalRefused.TYPE: _for_both(names("", reason=_REASON)),
    activation.Activated.TYPE: _for_both(
        names("activation_id activated_by actor registration_number contract service_from service_until")
    ),
    activation.ActivationRefused.TYPE: _for_both(names("activation_id activated_by actor", reason=_REASON)),
    renewal.ServiceStarted.TYPE: _for_both(names("registration_number service_from service_until")),
    renewal.ReminderDue.TYPE: _for_both(names("service_until days_before days_left")),
    renewal.ServiceLapsed.TYPE: _for_both(names("service_until")),
    renewal.ServiceRenewed.TYPE: _for_both(names("service_from service_until")),  # by whom may be another partner's
    renewal.RenewalActivated.TYPE: _for_both(names("registration_number activated_from activated_until")),
    renewal.RenewalScheduled.TYPE: View(names("renewal_id day planned_by"), None),
    renewal.RenewalCancelled.TYPE: View(names("renewal_id cancelled_by reason"), None),
}
"""By the newest version of each type that is told to anybody."""

BEGINS, ADDRESSES = request.RequestSubmitted.TYPE, approval.Approved.TYPE
"""What says whose a request is: the first event of each; and which distributor is told of it, and of all before it."""


ACTORS = ("submitted_by", "withdrawn_by", "actor")
"""Fields with who has acted for the partner."""
OF_EITHER = "declined_by"
"""The field with who has acted for the recipient of a document."""


def seen(view: Names, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are named, of an object or of each in a list."""
    return {name: _within(view[name], value) for name, value in fields.items() if name in view}


def seen_by(role: Role, type_name: str, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a tenant of this role sees of an event in its newest version; None: nothing."""
    view = VIEWS.get(newest_version(type_name))
    named = None if view is None else view.distributor if role is Role.DISTRIBUTOR else view.partner
    if named is None:
        return None
    told = seen(named, fields)
    hidden = (*ACTORS, OF_EITHER) if role is Role.DISTRIBUTOR else (OF_EITHER,)
    return told | {name: without_name(told[name]) for name in hidden if name in told}


def _within(view: Names | None, value: Any) -> Any:
    if view is None or value is None:
        return value
    if isinstance(value, list):
        return [_within(view, each) for each in value]
    return seen(view, value) if isinstance(value, Mapping) else None
