"""`postavka demo`: real requests walk through the log, and every event is shown as it comes.

Four of them: one through a distributor up to `Activated`, one direct with invoice and payment, one rejected with all
its reasons, one refused at activation for want of a 1C:ITS contract and activated once the contract is there.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from rich.markup import escape

from events.activation import Activator
from events.commands import ActivateDelivery, DistributorConfirmation, SubmitRequest
from events.reference import Contract
from events.registry import decode
from events.request import REQUEST_TYPE
from events.shipping import DocumentSigned
from events.topics import (
    ACTIVATION_COMMANDS,
    REQUEST_COMMANDS,
    STAGE_TOPICS,
    confirmations_of,
)
from postavka.app.event_lines import print_event
from postavka.app.event_order import in_causal_order
from postavka.domain.calendar import today
from postavka.domain.reference.contracts import record_contract
from postavka.kernel.console import console
from postavka.kernel.errors import UserError
from postavka.kernel.ids import new_id
from postavka.kernel.log.follower import Follower, beginnings
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.settings import Settings, database_url, settings
from services.cabinet.cli import print_cabinet, requests_of
from services.documents.cli import list_ as show_documents
from services.documents.counterparty import sign_received, trial_authority
from services.documents.operator.local import LocalOperator
from services.documents.settings import documents_settings, open_operator
from services.payments.loader import Loader
from services.payments.sample import Order, sample_statement
from services.shipping.settings import shipping_settings

PATIENCE_SECONDS = 150

# Requests on the sample reference data (deploy/reference/sample.toml); clients are invented like everybody in it.
THROUGH_DISTRIBUTOR = {
    "partner_id": "lukomor",
    "contact_id": "lukomor-1",
    "distributor_id": "dist-north",
    "base_delivery_id": "upp-13",
    "registration_number": "1000001",
    "product_id": "upp-extension-12",
    "inn": "7707083893",
    "kpp": "773601001",
    "buyer": "АО «Завод точных весов»",
}
DIRECT = {
    "partner_id": "romashka-it",
    "contact_id": "romashka-2",
    "base_delivery_id": "industry-dairy",
    "registration_number": "10000012",
    "product_id": "its-industry-12",
    "inn": "500100732259",
    "buyer": "ИП Творогов Антон Сергеевич",
}
WRONG = {
    "partner_id": "romashka-it",
    "contact_id": "lukomor-1",
    "distributor_id": "dist-south",
    "base_delivery_id": "accounting-30",
    "registration_number": "12-34",
    "product_id": "upp-extension-12",
    "inn": "7707083890",
    "buyer": "  ",
}
CONTRACT_COMES = {
    "partner_id": "ip-berezin",
    "contact_id": "berezin-1",
    "distributor_id": "dist-ural",
    "base_delivery_id": "industry-motor",
    "product_id": "its-industry-06",
    "inn": "7736050003",
    "kpp": "773601001",
    "buyer": "ООО «Автопарк на Ёлочной»",
}


class Stuck(UserError):
    """An event that should have come has not."""


class Walk:
    """Sends commands, shows the events of its own requests, and waits for one of them."""

    def __init__(self, config: Settings, follower: Follower) -> None:
        self._config = config
        self._follower = follower
        self._sender = Sender(config, "/postavka/demo")
        self._mine: set[str] = set()
        self._bodies: dict[tuple[str, str], Any] = {}

    def submit(self, fields: dict[str, Any]) -> UUID:
        """Send a request; returns its id."""
        request_id = new_id()
        self._mine.add(str(request_id))
        command = SubmitRequest(request_id=request_id, submitted_by="demo", request_type=REQUEST_TYPE, **fields)
        self._send(REQUEST_COMMANDS.name, str(request_id), command)
        return request_id

    def confirm(self, request_id: UUID, distributor: str) -> None:
        """The distributor is ready to pay."""
        answer = DistributorConfirmation(request_id=request_id, confirmation_id=f"demo-{request_id}", accepted=True)
        self._send(confirmations_of(distributor), str(request_id), answer)

    def pay(self, invoice: Any) -> None:
        """The partner pays in two parts; the bank's statement says so, and is loaded as a file."""
        day, short = today(), f"{invoice.number[:4]}-{int(invoice.number[5:])}"
        first = (invoice.amount / 2).quantize(invoice.amount)
        said = (f"Оплата по счету № {invoice.number} от {day:%d.%m.%Y}, аванс", f"сч.{short} окончательный расчет")
        orders = [
            Order(f"{int(invoice.number[5:])}{part}", amount, "ООО «Ромашковое поле ИТ»", invoice.payer_inn, purpose)
            for part, (amount, purpose) in enumerate(zip((first, invoice.amount - first), said, strict=True), 1)
        ]
        text = sample_statement(day, orders)
        file = self._config.home / "demo-statement.txt"
        file.write_bytes(text.encode("cp1251"))
        console.print(f"[dim]             (the bank's statement, {file}, Windows-1251)[/]")
        for line in text.splitlines()[15:26]:
            console.print(f"             [dim]{escape(line)}[/]", highlight=False, soft_wrap=True)
        report = Loader(self._config).load(file.read_bytes(), file.name, "demo", "demo")
        for line in report.lines():
            console.print(f"             {escape(line)}", highlight=False, soft_wrap=True)

    def activate(self, request_id: UUID, partner: str) -> None:
        """The partner activates for the user."""
        command = ActivateDelivery(
            request_id=request_id,
            activation_id=str(new_id()),
            activated_by=Activator.PARTNER,
            actor="demo",
            partner_id=partner,
        )
        self._send(ACTIVATION_COMMANDS.name, str(request_id), command)

    def wait_for(self, request_id: UUID, type_name: str) -> Any:
        """Show what comes until this event of this request; returns its body."""
        wanted = (str(request_id), type_name)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while wanted not in self._bodies:
            if time.monotonic() > deadline:
                raise Stuck(f"{type_name} of {request_id} has not come within {PATIENCE_SECONDS} s: see .postavka/log")
            self._show()
        return self._bodies.pop(wanted)

    def settle(self, seconds: float = 1.0) -> None:
        """Show what still comes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._show()

    def _show(self) -> None:
        for batch in self._follower.records(0.3):
            for record, envelope in in_causal_order(batch):
                if envelope.subject in self._mine:
                    print_event(record, envelope)
                    self._bodies[envelope.subject, envelope.type] = decode(envelope.type, record.value)
            if batch:
                return

    def _send(self, topic: str, subject: str, message: Any) -> None:
        self._sender.send(topic, subject, message)
        self._sender.flush()


def walk(config: Settings) -> None:
    """The four stories, then what each partner sees."""
    with Follower(config, beginnings(config, [topic.name for topic in STAGE_TOPICS])) as follower:
        steps: list[tuple[str, Callable[[Walk, Settings], None]]] = [
            ("Through a distributor: request, confirmation, delivery, activation", _through_distributor),
            ("Direct sale: invoice, payment in two parts, delivery, activation", _direct),
            ("A request with mistakes: rejected with every reason", _wrong),
            ("No active 1C:ITS contract: activation refused, then activated", _contract_comes),
        ]
        journey = Walk(config, follower)
        for title, story in steps:
            console.rule(f"[bold]{title}", align="left", style="dim")
            story(journey, config)
        journey.settle()
    console.rule("[bold]What the partners see", align="left", style="dim")
    for partner in sorted({fields["partner_id"] for fields in (THROUGH_DISTRIBUTOR, DIRECT, WRONG, CONTRACT_COMES)}):
        print_cabinet(partner, requests_of(config, partner, 10))
        console.print()
    console.rule("[bold]Documents", align="left", style="dim")
    show_documents(limit=8)
    console.print(
        "[dim]postavka documents get REQUEST DOCUMENT writes the PDF; postavka post list: what goes by post[/]"
    )


def _through_distributor(journey: Walk, config: Settings) -> None:
    request_id = journey.submit(THROUGH_DISTRIBUTOR)
    journey.wait_for(request_id, "PermissionIssued.v1")
    journey.confirm(request_id, THROUGH_DISTRIBUTOR["distributor_id"])
    journey.wait_for(request_id, "ShipmentIssued.v1")
    _distributor_signs(journey, config, journey.wait_for(request_id, "DocumentDispatched.v1"), request_id)
    journey.activate(request_id, THROUGH_DISTRIBUTOR["partner_id"])
    journey.wait_for(request_id, "Activated.v1")


def _distributor_signs(journey: Walk, config: Settings, dispatched: Any, request_id: UUID) -> None:
    """Where everything is a sample: the distributor signs the act that it has received (L16)."""
    operator = open_operator(config, documents_settings())
    sample = settings().kafka_bootstrap_servers is None and shipping_settings().signature_roots is None
    if isinstance(operator, LocalOperator) and sample:
        console.print("[dim]             (the distributor signs the act and sends it back)[/]")
        sign_received(operator, trial_authority(config.home), dispatched.dispatch_id.partition("/")[0])
        journey.wait_for(request_id, DocumentSigned.TYPE)


def _direct(journey: Walk, _: Settings) -> None:
    request_id = journey.submit(DIRECT)
    journey.pay(journey.wait_for(request_id, "InvoiceIssued.v1"))
    journey.wait_for(request_id, "ShipmentIssued.v1")
    journey.activate(request_id, DIRECT["partner_id"])
    journey.wait_for(request_id, "Activated.v1")


def _wrong(journey: Walk, _: Settings) -> None:
    journey.wait_for(journey.submit(WRONG), "Rejected.v1")


def _contract_comes(journey: Walk, config: Settings) -> None:
    url = database_url(config)
    registration = str(secrets.randbelow(9 * 10**9) + 10**9)
    record_contract(url, registration, None, "demo")
    request_id = journey.submit({**CONTRACT_COMES, "registration_number": registration})
    journey.wait_for(request_id, "PermissionIssued.v1")
    journey.confirm(request_id, CONTRACT_COMES["distributor_id"])
    journey.wait_for(request_id, "ShipmentIssued.v1")
    journey.activate(request_id, CONTRACT_COMES["partner_id"])
    journey.wait_for(request_id, "ActivationRefused.v2")
    console.print("[dim]             (the user concludes a 1C:ITS contract)[/]")
    contract = Contract(number=f"ITS-{registration}", valid_from=today(), valid_until=date(2030, 12, 31))
    record_contract(url, registration, contract, "demo")
    journey.activate(request_id, CONTRACT_COMES["partner_id"])
    journey.wait_for(request_id, "Activated.v1")
