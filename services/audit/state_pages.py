"""The auditor's pages about the whole: how far it is signed and verified, proofs of events, checkpoints as files, the
difference of two moments. A verification is asked for here and done in the auditor's service."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from postavka.domain.request_ids.lookup import request_meant
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.session import open_session
from postavka.web.attachment import attachment
from postavka.web.authorization import allowed
from postavka.web.fields import moment_field, moment_in
from postavka.web.frame import reference, show
from postavka.web.identity.principal import Principal, Role
from postavka.web.problem import not_found
from postavka.web.search import party_named
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.audit.history.access_log import prepare
from services.audit.history.as_of import Change, diff
from services.audit.integrity.keys import published_keys
from services.audit.integrity.logs import LOGS
from services.audit.integrity.proofs import NotProvable, Proof, log_of, prove_inclusion
from services.audit.integrity.signed_tables import TABLES
from services.audit.integrity.store import SCHEMA, connect, newest_checkpoint, newest_checkpoints, unsigned
from services.audit.settings import AuditSettings
from services.audit.verification import verifications
from services.audit.verification.verifications import Verification
from services.audit.verifier import read_leaf, read_unchecked
from services.cabinet.words import stage_of as stage_shown

router = APIRouter(prefix="/audit", include_in_schema=False)
Auditor = Annotated[Principal, allowed(Role.AUDITOR)]
MOST_CHANGES = 200
Position = Annotated[int, Path(ge=1, lt=2**63)]


@dataclass(frozen=True, slots=True)
class WholeState:
    """How the whole stands: events so far, how many of them are signed and when last, which logs are behind, and the
    last verifications."""

    events: int
    signed: int
    signed_at: datetime | None
    behind: int
    verifications: list[Verification]

    @property
    def running(self) -> Verification | None:
        """The verification that is asked for or at work."""
        return next((each for each in self.verifications if each.finished_at is None), None)

    @property
    def last(self) -> Verification | None:
        """The last verification that is over."""
        return next((each for each in self.verifications if each.finished_at is not None), None)


def state_of(config: Settings) -> WholeState:
    """How the whole stands now. Blocks."""
    with open_session(prepare(database_url(config)), {"search_path": f"{SCHEMA},public"}) as connection:
        heads, behind = unsigned(connection)
        signed = newest_checkpoints(connection, LOGS).values()
        return WholeState(
            sum(heads.get(log, 0) for log in LOGS),
            sum(each.size for each in signed),
            max((each.signed_at for each in signed), default=None),
            len(behind),
            verifications.newest(connection),
        )


@router.post("/verifications")
async def ask_to_verify(request: Request, principal: Auditor) -> Response:
    """Ask for a verification; while one is at work nothing more is asked for."""

    def ask() -> None:
        with connect(web(request).kernel) as connection:
            verifications.ask(connection, principal.actor)

    await asyncio.to_thread(ask)
    return RedirectResponse("/audit", 303)


@router.get("/proofs/{stage}/{position}")
async def proof_page(request: Request, principal: Auditor, stage: str, position: Position) -> Response:
    """What the proof of an event proves, the file, and the command that checks it."""
    proof, why = None, ""
    try:
        proof = await _proof(request, stage, position)
    except NotProvable as not_now:
        why = str(not_now)
    keys = await asyncio.to_thread(_keys, web(request).kernel)
    return await show(
        request,
        principal,
        "audit_proof.html",
        stage=stage,
        position=position,
        proof=proof,
        size=read_unchecked(proof["checkpoint"]).size if proof else 0,
        why=why,
        keys=keys,
    )


@router.get("/proofs/{stage}/{position}/file")
async def proof_file(request: Request, principal: Auditor, stage: str, position: Position) -> Response:
    """The proof, as `postavka-verify` reads it."""
    try:
        proof = await _proof(request, stage, position)
    except NotProvable:
        raise not_found() from None
    data = orjson.dumps(proof, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return attachment(data, "application/json", f"proof-{stage}-{position}.json")


@router.get("/checkpoints/{log}")
async def checkpoint_file(request: Request, principal: Auditor, log: str) -> Response:
    """The newest signed checkpoint of a log, as it is signed."""

    def read() -> str | None:
        with connect(web(request).kernel) as connection:
            signed = newest_checkpoint(connection, log)
            return signed.note if signed else None

    note = await asyncio.to_thread(read) if log in (*LOGS, *(each.log for each in TABLES)) else None
    if note is None:
        raise not_found()
    return attachment(note, "text/plain; charset=utf-8", f"checkpoint-{log}.txt")


@router.get("/keys")
async def keys_file(request: Request, principal: Auditor) -> Response:
    """The keys by which checkpoints are checked, the newest last."""
    keys = await asyncio.to_thread(_keys, web(request).kernel)
    if not keys:
        raise not_found()
    return attachment("".join(f"{key}\n" for key in keys), "text/plain; charset=utf-8", "postavka-keys.txt")


@router.get("/diff")
async def diff_page(
    request: Request, principal: Auditor, earlier: str = "", later: str = "", partner: str = "", request_id: str = ""
) -> Response:
    """What changed in the cabinet between two moments (Moscow time), request by request."""
    now = datetime.now(UTC)
    first, last = moment_in(earlier), moment_in(later) or now
    wrong = "Первый момент должен быть раньше второго." if first is not None and first > last else ""
    only = await asyncio.to_thread(request_meant, web(request).conninfo, request_id)
    whose = party_named((await reference(request)).partner_names, partner.strip()) or None
    changes: list[Change] = []
    if first is not None and not wrong:
        found = diff(web(request).kernel, first, last, whose, None if only is None else [only])
        changes = await asyncio.to_thread(lambda: list(islice(found, MOST_CHANGES)))
    visitor_of(request).shown.update(each.request for each in changes)
    return await show(
        request,
        principal,
        "audit_diff.html",
        422 if wrong else 200,
        earlier=moment_field(first or now - timedelta(hours=1)),
        later=moment_field(last),
        asked=first is not None,
        wrong=wrong,
        partner=partner,
        request_id=request_id,
        changes=changes,
        most=MOST_CHANGES,
        stage=stage_shown,
    )


async def _proof(request: Request, stage: str, position: int) -> Proof:
    """The proof of an event, whose request is shown by it. Raises `NotProvable`."""
    proof = await asyncio.to_thread(prove_inclusion, web(request).kernel, log_of(stage), position)
    key, _, _ = read_leaf(base64.b64decode(proof["leaf"]))
    visitor_of(request).shown.add(UUID(key.decode()))
    return proof


def _keys(config: Settings) -> list[str]:
    """The verifier keys; none where this machine does not have them."""
    try:
        return [str(key) for key in published_keys(AuditSettings().key_file(config))]
    except OSError:
        return []
