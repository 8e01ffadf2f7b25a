"""Commands that ask for something: submit, withdraw, confirm, pay, activate, return a document."""

from __future__ import annotations

import base64
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

from cyclopts import App, Parameter

from events.activation import Activator
from events.commands import (
    ActivateDelivery,
    BankPayment,
    DistributorConfirmation,
    SignDocument,
    SubmitRequest,
    WithdrawRequest,
)
from events.request import REQUEST_TYPE
from events.topics import (
    ACTIVATION_COMMANDS,
    BANK_PAYMENTS,
    DOCUMENT_COMMANDS,
    REQUEST_COMMANDS,
    confirmations_of,
)
from postavka.app.cli.outcome import send
from postavka.domain.calendar import today
from postavka.domain.reference.known import require_known
from postavka.domain.request_ids.lookup import require_request
from postavka.domain.request_ids.parameter import RequestId
from postavka.kernel.cli_options import Json, Wait
from postavka.kernel.errors import UserError
from postavka.kernel.ids import new_id
from postavka.kernel.runtime.connection import connected

request = App(name="request", help="Submit or withdraw a purchase request (L4-L11).")


@request.command
def submit(
    *,
    partner: str,
    contact: str | None = None,
    base_delivery: str | None = None,
    registration: str | None = None,
    product: str | None = None,
    inn: str | None = None,
    buyer: str | None = None,
    kpp: str | None = None,
    distributor: str | None = None,
    comment: str | None = None,
    renews: RequestId | None = None,
    request_id: UUID | None = None,
    by: str = "cli",
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Send a request. What is left out is found missing by approval, which names every mistake at once.

    ```
    postavka request submit --partner lukomor --contact lukomor-1 \
      --distributor dist-north --base-delivery upp-13 \
      --registration 1000001 --product upp-extension-12 --inn 7707083893 \
      --kpp 773601001 --buyer 'АО «Завод точных весов»'
    ```

    Parameters
    ----------
    partner
        Who asks: a partner of the reference data.
    contact
        Contact person of the partner (L5).
    base_delivery
        The user's main delivery (L7).
    registration
        Its registration number, 7 to 10 digits (L8).
    product
        The service with its period (L9).
    inn
        Tax number of the buyer, 10 or 12 digits (L10).
    buyer
        Name of the buyer (L10).
    kpp
        Of an organisation; a sole trader has none (L10).
    distributor
        Leave it out for a direct sale (L6).
    comment
        Never required (L12).
    renews
        The request whose service this one prolongs.
    request_id
        Made here if left out. The same id twice is one request.
    by
        The user who sends it.
    """
    config = connected()
    require_known(config, partner=partner)
    chosen = request_id or new_id()
    message = SubmitRequest(
        request_id=chosen,
        partner_id=partner,
        submitted_by=by,
        request_type=REQUEST_TYPE,
        contact_id=contact,
        distributor_id=distributor,
        base_delivery_id=base_delivery,
        registration_number=registration,
        product_id=product,
        inn=inn,
        buyer=buyer,
        kpp=kpp,
        comment=comment,
        renews=str(renews) if renews else None,
    )
    send(config, REQUEST_COMMANDS.name, str(chosen), message, stage="request", wait=wait, json=json)


@request.command
def withdraw(
    request_id: RequestId,
    *,
    partner: str,
    reason: str | None = None,
    by: str = "cli",
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Take a request back. Possible until manufacturing is ordered.

    Parameters
    ----------
    request_id
        The request.
    partner
        Whose request it is.
    reason
        For the record.
    by
        The user who withdraws it.
    """
    config = connected()
    require_known(config, partner=partner)
    require_request(config, request_id)
    message = WithdrawRequest(request_id=request_id, partner_id=partner, withdrawn_by=by, reason=reason)
    send(config, REQUEST_COMMANDS.name, str(request_id), message, stage="request", wait=wait, json=json)


def confirm(
    request_id: RequestId,
    *,
    distributor: str,
    decline: bool = False,
    note: str | None = None,
    confirmation_id: str | None = None,
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Answer as a distributor: ready to pay the invoice for the partner's request, or not (L17).

    Parameters
    ----------
    request_id
        The request.
    distributor
        Who answers; it goes to that distributor's own topic.
    decline
        Not ready to pay.
    note
        For the record.
    confirmation_id
        The distributor's own number of the answer; made here if left out.
    """
    config = connected()
    require_known(config, distributor=distributor)
    require_request(config, request_id)
    message = DistributorConfirmation(
        request_id=request_id,
        confirmation_id=confirmation_id or f"cli-{uuid4().hex[:12]}",
        accepted=not decline,
        note=note,
    )
    send(config, confirmations_of(distributor), str(request_id), message, stage="billing", wait=wait, json=json)


def pay(
    invoice: str,
    amount: Decimal,
    *,
    payer_inn: str,
    payment_id: str | None = None,
    received_on: date | None = None,
    purpose: str | None = None,
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Report a payment, as the bank's statement would (L17, direct sale).

    Parameters
    ----------
    invoice
        Number of the invoice, like 2026-0000001.
    amount
        Roubles with kopecks: 12500.00.
    payer_inn
        Tax number of the payer.
    payment_id
        The bank's number of the payment; made here if left out. The same one twice is one payment.
    received_on
        YYYY-MM-DD; today if left out.
    purpose
        Назначение платежа.
    """
    chosen = payment_id or f"cli-{uuid4().hex[:12]}"
    message = BankPayment(
        payment_id=chosen,
        amount=amount,
        received_on=received_on or today(),
        payer_inn=payer_inn,
        purpose=purpose or f"Оплата по счету {invoice}",
        invoice_number=invoice,
    )
    send(connected(), BANK_PAYMENTS.name, chosen, message, stage="billing", wait=wait, json=json, claim="payment")


def activate(
    request_id: RequestId,
    *,
    partner: str | None = None,
    code: str | None = None,
    by: str = "cli",
    activation_id: str | None = None,
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Activate a delivery: as the partner that bought it, or as the user with the code from the kit (L19).

    Parameters
    ----------
    request_id
        The request the delivery was bought with.
    partner
        Activate as this partner.
    code
        Activate as the user, with this code.
    by
        Who does it.
    activation_id
        Made here if left out. The same one twice is one try.
    """
    if (partner is None) == (code is None):
        raise UserError("say either --partner (the partner activates) or --code (the user activates)")
    config = connected()
    require_known(config, partner=partner)
    require_request(config, request_id)
    message = ActivateDelivery(
        request_id=request_id,
        activation_id=activation_id or f"cli-{uuid4().hex[:12]}",
        activated_by=Activator.PARTNER if partner else Activator.USER,
        actor=by,
        partner_id=partner,
        code=code,
    )
    send(config, ACTIVATION_COMMANDS.name, str(request_id), message, stage="activation", wait=wait, json=json)


def sign(
    request_id: RequestId,
    document: str,
    signature: Annotated[Path, Parameter(help="File with the detached CMS signature, DER.")],
    *,
    by: str = "cli",
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Return a signed document (L16): the signature is checked against the exact bytes issued.

    Parameters
    ----------
    request_id
        The request.
    document
        Id of the document, as in DocumentIssued.
    by
        Who sends it.
    """
    config = connected()
    require_request(config, request_id)
    message = SignDocument(
        request_id=request_id,
        document_id=document,
        signature=base64.b64encode(signature.read_bytes()).decode(),
        sent_by=by,
    )
    send(config, DOCUMENT_COMMANDS.name, str(request_id), message, stage="shipping", wait=wait, json=json)
