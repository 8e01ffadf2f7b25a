"""Documents on the pages: looked at where they are listed, and signed many at once by archives."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from playwright.sync_api import expect

from services.cabinet.signing.archive import pack
from tests.browser.conftest import Shoot
from tests.browser.look import look
from tests.browser.person import Person
from tests.browser.sending import submit
from tests.system.conftest import System, wait_until

SignedIn = Callable[..., Person]


def test_acts_are_looked_at_and_signed_by_archives(
    system: System, person: SignedIn, shoot: Shoot, tmp_path: Path
) -> None:
    client = f"Шестерни {uuid4().hex[:8]}"
    ids = [submit(system, "ip-berezin", "berezin-2", client, "dist-ural") for _ in range(2)]
    distributor = person("dist-ural")
    page = distributor.page
    for request_id in ids:
        distributor.wait_for_request(request_id)

    def rendered() -> bool:
        distributor.go(f"/requests/{ids[0]}")
        return page.get_by_text("Посмотреть").count() > 0

    wait_until(rendered, "the act has its PDF")
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
    with page.expect_download() as download:
        page.get_by_role("link", name="Скачать").click()
    archive = tmp_path / "documents.zip"
    download.value.save_as(archive)
    with zipfile.ZipFile(archive) as parts:
        names = [name for name in parts.namelist() if any(each[:8] in name for each in ids)]
    pdfs = [name for name in names if name.endswith(".pdf")]
    assert len(pdfs) == len(ids)

    field = page.get_by_label("Архив с подписями")
    field.set_input_files({"name": "подписи.zip", "mimeType": "application/zip", "buffer": b"no archive"})
    distributor.press("Отправить подписи")
    expect(page.locator("#archive-error")).to_contain_text("не архив ZIP")
    look(page, "an archive that can't be read")

    signatures = pack([(f"{pdfs[0]}.sig", b"0\x03no"), (f"{pdfs[1]}.sig", b"!"), ("act-unknown.sig", b"0\x03no")])
    page.get_by_label("Архив с подписями").set_input_files(
        {"name": "подписи.zip", "mimeType": "application/zip", "buffer": signatures}
    )
    distributor.press("Отправить подписи")
    verdicts = page.get_by_role("table", name="Отправлено на проверку")
    for said in ("отправлена на проверку", "Это не файл подписи", "среди ждущих вашей подписи нет"):
        expect(verdicts.get_by_text(said)).to_be_visible()
    look(page, "the verdict on signatures")
    shoot(page, "signing")
