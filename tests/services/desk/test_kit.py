"""The desk that plays the manufacturing department (L17): the same order gives the same kit, however often."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from events.reference import Client, Product, Service
from events.shipping import Basis, ManufacturingOrdered
from services.desk.kit import ALPHABET, desk_secret, make_kit

ORDER = ManufacturingOrdered(
    basis=Basis.CONFIRMATION,
    basis_id="c-1",
    permission_number="482-019-337-561-908-274-651",
    product=Product(
        id="its-industry-12",
        service=Service.ITS_INDUSTRY,
        name="1С:ИТС Отраслевой на 12 месяцев",
        months=12,
        price=Decimal("20160.00"),
        vat_rate=Decimal("20.00"),
    ),
    client=Client(inn="7707083893", kpp="773601001", name="АО «Завод точных весов»"),
    registration_number="1000001",
)


def test_the_same_order_gives_the_same_kit_after_a_restart(tmp_path: Path):
    request = str(uuid4())
    before = make_kit(request, ORDER, desk_secret(tmp_path / "desk.secret"))
    assert make_kit(request, ORDER, desk_secret(tmp_path / "desk.secret")) == before


def test_every_request_has_a_kit_of_its_own():
    kits = [make_kit(str(uuid4()), ORDER, b"secret") for _ in range(2_000)]
    assert len({kit.number for kit in kits}) == len({kit.code for kit in kits}) == 2_000


def test_a_code_can_be_read_aloud_and_not_be_guessed():
    kit = make_kit("r", ORDER, b"secret")
    assert re.fullmatch(rf"([{ALPHABET}]{{4}}-){{3}}[{ALPHABET}]{{4}}", kit.code)
    assert not set("01IO") & set(kit.code)
    assert make_kit("r", ORDER, b"another secret").code != kit.code
    assert kit.name == ORDER.product.name
