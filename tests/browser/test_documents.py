"""Documents on the pages: looked at where they are listed, and signed many at once by archives."""

from __future__ import annotations

import io
import re
import zipfile

from playwright.sync_api import expect

from services.cabinet.signing.archive import pack
from tests.browser.conftest import Shoot, SignedIn
from tests.browser.look import look
from tests.browser.sending import submit_many
from tests.system.conftest import System, wait_until


def test_acts_are_looked_at_and_signed_by_archives(system: System, person: SignedIn, shoot: Shoot) -> None:
    distributor = person("dist-ural")
    page = distributor.page
    client, ids = submit_many(system, distributor, 2)

    def rendered() -> bool:
        distributor.go(f"/requests/{ids[0]}")
        return page.get_by_text("Посмотреть").count() > 0

    wait_until(rendered, "the act has its PDF")
    numbers = []
    for request_id in reversed(ids):
        distributor.go(f"/requests/{request_id}")
        numbers.append(page.locator("h1 .number").inner_text()[2:])
    page.get_by_text("Посмотреть").first.click()
    picture = page.locator("img.preview").first
    picture.scroll_into_view_if_needed()
    wait_until(lambda: picture.evaluate("each => each.complete && each.naturalWidth > 0"), "the picture is there")
    look(page, "the picture of a document")
    shoot(page, "document")

    def listed() -> bool:
        distributor.go("/signing")
        return page.get_by_role("row", name=client).count() == len(ids)

    wait_until(listed, "the acts wait for their signature")
    look(page, "what waits for a signature")
    with zipfile.ZipFile(io.BytesIO(distributor.download(re.compile("Скачать")))) as parts:
        names = [name for name in parts.namelist() if any(each in name for each in numbers)]
    pdfs = [name for name in names if name.endswith(".pdf")]
    assert len(pdfs) == len(ids)

    def bring(archive: bytes) -> None:
        field = page.get_by_label("Архив с подписями")
        field.set_input_files({"name": "подписи.zip", "mimeType": "application/zip", "buffer": archive})
        distributor.press("Отправить подписи")

    bring(b"no archive")
    expect(page.locator("#archive-error")).to_contain_text("не архив ZIP")
    look(page, "an archive that can't be read")

    bring(pack([(f"{pdfs[0]}.sig", b"0\x03no"), (f"{pdfs[1]}.sig", b"!"), ("act-unknown.sig", b"0\x03no")]))
    verdicts = page.get_by_role("table", name="Отправлено на проверку")
    for said in ("отправлена на проверку", "Это не файл подписи", "среди ждущих вашей подписи нет"):
        expect(verdicts.get_by_text(said)).to_be_visible()
    look(page, "the verdict on signatures")
    shoot(page, "signing")
