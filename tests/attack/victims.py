"""Requests whose owners the attack is about: made through the API, with words in them that stand nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2

from events.request import REQUEST_TYPE
from tests.attack.probes import Victim
from tests.system.conftest import wait_until
from tests.system.traffic import DISTRIBUTOR, PARTNER
from tests.web.conftest import Site

REQUEST = {
    "contact_id": "lukomor-1",
    "distributor_id": DISTRIBUTOR,
    "base_delivery_id": "upp-13",
    "registration_number": "1000001",
    "product_id": "upp-extension-12",
    "inn": "7707083893",
    "kpp": "773601001",
}


class Victims:
    """Requests of one partner and one distributor, some sold, the others waiting for the distributor's answer; and what
    of them nobody else may see."""

    def __init__(self, site: Site, count: int) -> None:
        self._partner = site.program(site.token(PARTNER))
        self._distributor = site.program(site.token(DISTRIBUTOR))
        self.ids: list[str] = []
        self.known: list[Victim] = []
        marks = [f"mark{uuid4().hex}" for _ in range(count)]
        for mark in marks:
            body = {**REQUEST, "buyer": f"ООО «{mark}»", "comment": mark, "client_email": f"{mark}@firm.example"}
            body |= {"client_as_typed": True}  # the tax register knows another name
            sent = self._partner.post("/api/v1/requests", json=body, headers=_key())
            assert sent.status_code == 202, sent.text
            self.ids.append(sent.json()["request_id"])
        self._wait_until("awaiting-confirmation", self.ids)
        self._sold = self.ids[: count // 4 or 1]
        self._confirm(self._sold)
        self._wait_until("shipped", self._sold)
        self.known = [self._known(site, request_id, mark) for request_id, mark in zip(self.ids, marks, strict=True)]

    def go_on(self) -> None:
        """After the attack: what its own distributor says still counts."""
        waiting = self.ids[len(self._sold) :]
        self._confirm(waiting)
        self._wait_until("shipped", waiting)

    def _confirm(self, request_ids: Sequence[str]) -> None:
        for each in request_ids:
            done = self._distributor.post(
                f"/api/v1/requests/{each}/confirmation", json={"accepted": True}, headers=_key()
            )
            assert done.status_code == 202, done.text

    def _wait_until(self, status: str, request_ids: Sequence[str]) -> None:
        for each in request_ids:
            wait_until(lambda each=each: self._get(each).json()["status"] == status, f"{each} is {status}", 300)

    def _get(self, request_id: str, more: str = "") -> httpx2.Response:
        return self._partner.get(f"/api/v1/requests/{request_id}{more}")

    def _planned(self, request_id: str, act: str) -> str:
        """A command that waits for months: nobody else sees or undoes it."""
        later = {"not_before": (datetime.now(UTC) + timedelta(days=300)).isoformat()}
        done = self._partner.post(f"/api/v1/requests/{request_id}/{act}", json=later, headers=_key())
        assert done.status_code == 202, done.text
        return str(done.json()["plan_id"])

    def _bulk(self, mark: str) -> str:
        """A file that was judged and not sent: nobody else sees what it says."""
        body = {"requests": [{**REQUEST, "buyer": f"ООО «{mark}»", "comment": mark}], "dry_run": True}
        done = self._partner.post("/api/v1/bulk/requests", json=body, headers=_key())
        assert done.status_code == 202, done.text
        return str(done.json()["bulk_id"])

    def _webhook(self) -> str:
        """One that is told of nothing that happens here; the same for all victims."""
        wanted = {"url": "https://erp.example/hook", "types": ["ServiceLapsed"]}
        done = self._partner.post("/api/v1/webhooks", json=wanted, headers={"Idempotency-Key": '"of the victims"'})
        assert done.status_code == 201, done.text
        return str(done.json()["webhook_id"])

    def _known(self, site: Site, request_id: str, mark: str) -> Victim:
        wait_until(lambda: self._get(request_id, "/documents").json()["items"], f"{request_id} has documents", 300)
        letter = "SELECT id FROM notices.mail WHERE request_id = %s AND party = 'partner' LIMIT 1"
        wait_until(lambda: site.sql(letter, request_id), f"{request_id} has a letter", 300)
        row = self._get(request_id).json()
        kit = row.get("kit") or {}
        session = (
            "SELECT session_id FROM accounts.sessions JOIN accounts.users USING (user_id) WHERE login = %s LIMIT 1"
        )
        token = "SELECT token_id FROM accounts.tokens WHERE partner_id = %s LIMIT 1"
        things = {
            "request_id": request_id,
            "plan_id": self._planned(request_id, "withdrawal" if row["can_withdraw"] else "activation"),
            "bulk_id": self._bulk(mark),
            "document_id": self._get(request_id, "/documents").json()["items"][0]["document_id"],
            "form": "pdf",
            "request_type": REQUEST_TYPE,
            "stage": "billing",
            "position": "1",
            "topic": "request.events",
            "partition": "1",
            "offset": "1",
            "log": "billing.events",
            "number": "1",
            "what": "payment",
            "id": str(site.sql(letter, request_id)[0][0]),
            "session_id": str((site.sql(session, PARTNER) or [[uuid4()]])[0][0]),
            "token_id": str(site.sql(token, PARTNER)[0][0]),
            "webhook_id": self._webhook(),
        }
        secret = [mark, row["permission_number"], *(str(kit[each]) for each in ("number", "code") if kit.get(each))]
        return Victim(things, (REQUEST["registration_number"], REQUEST["inn"]), secret)


def _key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}
