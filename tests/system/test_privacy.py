"""A person is forgotten while everything works: the log stays as it is, and nobody can read the data any more."""

from __future__ import annotations

from uuid import uuid4

from events.commands import SubmitRequest
from events.request import REQUEST_TYPE
from postavka.kernel.log.tail import read_to_end
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.settings import PARTITIONS
from tests.system.conftest import System, wait_until

EMAIL, PHONE = "canary-kenar@forget.example", "+7 495 123-45-67"
CONTACT = ("Ветрова", "vetrova@lukomor.example")
"""Contact person lukomor-1 of the sample data."""
TOPICS = ("commands.requests", "request.events", "approval.events", "billing.events", "shipping.events")


def test_a_person_is_forgotten_without_touching_the_log(system: System):
    request = uuid4()
    sender = Sender(system.config, "/tests")
    sender.send(
        "commands.requests",
        str(request),
        SubmitRequest(
            request_id=request,
            partner_id="lukomor",
            submitted_by="lukomor-user",
            request_type=REQUEST_TYPE,
            contact_id="lukomor-1",
            base_delivery_id="upp-13",
            registration_number="1000001",
            product_id="upp-extension-12",
            inn="7707083893",
            buyer="АО «Завод точных весов»",
            kpp="773601001",
            client_email=EMAIL,
            client_phone=PHONE,
        ),
    )
    sender.flush()
    wait_until(lambda: "Approved" in system.cli("audit", "history", str(request), "--json"), "it is approved")
    before = on_the_log(system, request)
    for text in (EMAIL, PHONE, *CONTACT):
        assert text.encode() not in before
        assert text in system.cli("audit", "history", str(request), "--json")
    shown = system.cli("cabinet", "show", "--partner", "lukomor", "--json")
    assert EMAIL in shown
    assert CONTACT[1] in shown

    system.cli("privacy", "erase", PHONE.replace("+7", "8"), "--by", "dpo-1", "--reason", "по заявлению")
    for text in (
        system.cli("audit", "history", str(request), "--json"),
        system.cli("cabinet", "show", "--partner", "lukomor", "--json"),
    ):
        assert EMAIL not in text
        assert PHONE not in text
        assert "стёрто" in text
        assert CONTACT[1] in text
    assert on_the_log(system, request) == before
    assert "по заявлению" in system.cli("privacy", "erased")
    system.cli("cabinet", "rebuild")
    assert EMAIL not in system.cli("cabinet", "show", "--partner", "lukomor", "--json")


def on_the_log(system: System, request: object) -> bytes:
    """Everything about the request, as it lies there."""
    places = dict.fromkeys(((topic, number) for topic in TOPICS for number in range(PARTITIONS)), 0)
    found = [
        record
        for batch in read_to_end(system.config, places)
        for record in batch
        if record.key == str(request).encode()
    ]
    found.sort(key=lambda each: (each.topic, each.offset))
    return b"\n".join(each.value or b"" for each in found)
