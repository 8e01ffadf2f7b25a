"""Documents to sign as one archive, their signatures back as another: each by its name, each to its own party."""

from __future__ import annotations

import io
import itertools
import zipfile
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest

from events.topics import DOCUMENT_COMMANDS
from postavka.kernel.blobs import BlobsAway
from services.cabinet.signing.archive import pack
from tests.web.conftest import Person, Site
from tests.web.stories import Story

PLACES = itertools.count(1_000, 10)
"""In the request stage's store: numbers of requests are made of them, and names of files of numbers."""


@pytest.fixture
def stories(site: Site) -> list[Story]:
    """Three acts of one distributor, one of them of a request that is over; and another's."""
    blobs = site.app.state.web.blobs
    parties = ("dist-north",) * 3 + ("dist-ural",)
    found = [Story(distributor=who, buyer=f"ООО {uuid4().hex}", events=next(PLACES)) for who in parties]
    for each in found:
        name = str(each.request_id).encode()
        each.submitted().approved().documented(f"act-{each.request_id}", blobs.put(name), blobs.put(b"%PDF" + name))
    found[2].rejected()
    site.write(*found)
    return found


def archive(person: Person) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(person.get("/signing/documents.zip").content)) as parts:
        return {name: parts.read(name) for name in parts.namelist()}


def bring(person: Person, data: bytes) -> Any:
    return person.post("/signing", data={"csrf": person.csrf("/signing")}, files={"archive": ("подписи.zip", data)})


def test_the_archive_has_what_waits_for_its_reader_and_nothing_else(site: Site, stories: list[Story]):
    one, two, over, other = stories
    found = archive(site.person("dist-north"))
    held = set(found.values())
    for each in (one, two):
        assert {str(each.request_id).encode(), b"%PDF" + str(each.request_id).encode()} <= held
    assert not held & {str(each.request_id).encode() for each in (over, other)}
    assert all(name.isascii() for name in found)
    assert site.person("tihaya-gavan").get("/signing/documents.zip").status_code == 404
    page = site.person("dist-north").get("/signing").text
    assert one.buyer in page and over.buyer not in page and other.buyer not in page  # noqa: PT018


def test_each_signature_finds_its_document_and_is_told_apart(site: Site, stories: list[Story], sent: Any):
    one, two, over, other = stories
    north = site.person("dist-north")
    names = {content: name for name, content in archive(north).items()}
    theirs = {content: name for name, content in archive(site.person("dist-ural")).items()}
    first = names[str(one.request_id).encode()]
    data = pack(
        [
            (f"подписи/{first}.sig", b"0\x01one"),
            (f"{first}.p7s", b"0\x01again"),
            (f"{names[b'%PDF' + str(two.request_id).encode()]}.sig", b"no signature!"),
            (f"{theirs[str(other.request_id).encode()]}.sig", b"0\x01other"),
            ("readme.txt", b"left aside"),
        ]
    )
    answer = bring(north, data)
    assert answer.status_code == 200
    assert "1 подпись из 4" in answer.text.replace("\xa0", " ")
    for said in ("уже подписывает", "Это не файл подписи", "среди ждущих вашей подписи нет"):
        assert said in answer.text
    ((_, command, _),) = sent(DOCUMENT_COMMANDS.name, one.request_id)
    assert (command.document_id, command.signature) == (f"act-{one.request_id}", "MAFvbmU=")
    assert [sent(DOCUMENT_COMMANDS.name, each.request_id) for each in (two, over, other)] == [[], [], []]


def test_a_title_bears_its_own_name_which_is_read_when_it_is_needed(
    site: Site, sent: Any, monkeypatch: pytest.MonkeyPatch
):
    """The page needs none of the bytes: with two hundred that wait it would read as many files from the storage."""
    blobs, name = site.app.state.web.blobs, f"ON_NSCHFDOPPR_{uuid4().hex}"
    title = f'<?xml version="1.0" encoding="windows-1251"?><Файл ИдФайл="{name}"/>'.encode("cp1251")
    story = Story(distributor="dist-ural", buyer=f"ООО {uuid4().hex}").submitted().approved()
    site.write(
        story.documented("act-1", blobs.put(title), blobs.put(b"%PDF" + uuid4().bytes), "fns.upd-dop.seller/5.03")
    )
    ural = site.person("dist-ural")
    assert archive(ural)[f"{name}.xml"] == title
    with monkeypatch.context() as away:
        away.setattr(blobs, "get", Mock(side_effect=BlobsAway("the disk is gone")))
        assert story.buyer in ural.get("/signing").text
        assert bring(ural, pack([(f"{name}.xml.sig", b"0\x01one")])).status_code == 503
    assert bring(ural, pack([(f"{name}.xml.sig", b"0\x01one")])).status_code == 200
    assert len(sent(DOCUMENT_COMMANDS.name, story.request_id)) == 1


def test_an_archive_that_cannot_be_read_is_answered_at_its_field(site: Site, stories: list[Story]):
    north = site.person("dist-north")
    refused = bring(north, b"%PDF")
    assert refused.status_code == 422
    assert 'id="archive-error"' in refused.text and "не архив ZIP" in refused.text  # noqa: PT018
    assert bring(north, b"x" * 10_500_000).status_code in (413, 422)


def test_a_program_asks_what_waits_and_returns_many(site: Site, stories: list[Story], sent: Any):
    one, two, over, other = stories
    program = site.program(site.token("dist-north"))
    items = program.get("/api/v1/documents/waiting").json()["items"]
    waiting = {each["request_id"]: each["document"]["document_id"] for each in items}
    assert {str(one.request_id), str(two.request_id)} <= waiting.keys()
    assert not {str(over.request_id), str(other.request_id)} & waiting.keys()
    body = {
        "signatures": [
            {"request_id": str(each.request_id), "document_id": f"act-{each.request_id}", "signature": "MAFvbmU="}
            for each in (one, over, other)
        ]
    }
    key = {"Idempotency-Key": f'"{uuid4()}"'}
    done = program.post("/api/v1/signatures", json=body, headers=key)
    assert [each["result"] for each in done.json()["results"]] == ["accepted", "not-waiting", "not-found"]
    assert program.post("/api/v1/signatures", json=body, headers=key).content == done.content
    assert len(sent(DOCUMENT_COMMANDS.name, one.request_id)) == 1
