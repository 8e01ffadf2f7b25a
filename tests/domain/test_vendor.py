"""Who sells is said by events and one setting: no file of the product names a vendor itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from services.notices.settings import NoticesSettings
from tests.paths import PROJECT

SETTING = PROJECT / "postavka" / "domain" / "vendor.py"
NAMED = re.compile(r"офтехно|«1С»|фирм[аыеу]й? «")
"""Names of products («1С:ИТС Отраслевой») are data of the catalogue and may stand in examples."""


def sources() -> Iterator[Path]:
    for folder in ("postavka", "services"):
        for form in ("*.py", "*.html", "*.txt", "*.js", "*.typ", "*.sql"):
            yield from (PROJECT / folder).rglob(form)


def test_the_vendor_is_named_in_one_setting_alone():
    assert [each for each in sources() if NAMED.search(each.read_text("utf-8")) and each != SETTING] == []


def test_letters_come_from_the_vendor_unless_the_settings_say_otherwise():
    assert NoticesSettings(mail_vendor="АО «Продавец»").sender[0] == "АО «Продавец»"
    assert NoticesSettings(mail_from="Заказы <a@b.ru>", mail_vendor="АО «Продавец»").sender[0] == "Заказы"
    assert NoticesSettings().vendor == NoticesSettings().sender[0] == "ООО «Софтехно»"
