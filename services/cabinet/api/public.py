"""What needs no account: a user activates with the registration number and the code of the delivery (L19)."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid5

from fastapi import APIRouter, Request

from postavka.kernel.ids import new_id
from postavka.web.authorization import ANYBODY
from postavka.web.idempotency import NAMESPACE, IdempotencyKey, key_of
from postavka.web.identity.principal import Principal
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet import acts
from services.cabinet.api.bodies import PublicActivation
from services.cabinet.api.models import ActivationResult

router = APIRouter(prefix="/public", tags=["public"])


@router.post("/activations", operation_id="activateByCode", summary="Activate with registration number and code")
async def activate_by_code(
    request: Request,
    visitor: Annotated[Principal | None, ANYBODY],
    body: PublicActivation,
    idempotency_key: IdempotencyKey = None,
) -> ActivationResult:
    """Waits for the outcome, 5 s at most. Whether the number or the code is unknown is not told. With an
    `Idempotency-Key` a repetition is the same try; a new try needs a new key, or none."""
    parts = web(request)
    await parts.throttle.activation(visitor_of(request).address, body.registration_number)
    if idempotency_key is None:
        activation_id = str(new_id())
    else:
        activation_id = str(uuid5(NAMESPACE, f"user|{body.registration_number}|{key_of(idempotency_key)}"))
    outcome = await acts.activate_by_code(
        parts, body.registration_number, body.code, activation_id, visitor_of(request).address
    )
    return ActivationResult(
        state="accepted" if outcome.activated is None else "activated" if outcome.activated else "refused",
        message=outcome.message,
        product=outcome.product,
        service_from=outcome.service_from,
        service_until=outcome.service_until,
    )
