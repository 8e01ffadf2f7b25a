"""The picture of a document on its page: made once, for those who may see the document."""

from __future__ import annotations

import pytest

from services.cabinet import preview
from tests.web.conftest import Site
from tests.web.stories import Story, blank_pdf


@pytest.fixture
def story(site: Site) -> Story:
    blobs = site.app.state.web.blobs
    made = Story().submitted().approved()
    made.documented("doc-1", blobs.put(b"{}"), blobs.put(blank_pdf(2)))
    site.write(made)
    return made


def test_it_is_made_once_and_asked_for_again(site: Site, story: Story, monkeypatch: pytest.MonkeyPatch):
    site.sql("DELETE FROM cabinet.previews")
    path = f"/requests/{story.request_id}/documents/doc-1/preview.png"
    first = site.person("lukomor").get(path)
    assert (first.status_code, first.headers["content-type"]) == (200, "image/png")
    monkeypatch.setattr(preview, "picture_of", None)
    north = site.person("dist-north")
    assert north.get(path).content == first.content
    assert north.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert site.person("romashka-it").get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 404


def test_a_document_without_a_pdf_has_none_and_one_that_is_missing_says_so(site: Site):
    blobs = site.app.state.web.blobs
    missing, broken = (Story().submitted().approved() for _ in range(2))
    missing.documented("doc-1", blobs.put(b"{}"), "0" * 64)
    broken.documented("doc-1", blobs.put(b"{}"), blobs.put(b"%PDF broken"))
    site.write(missing, broken)
    partner = site.person("lukomor")
    for each in (missing, broken):
        assert partner.get(f"/requests/{each.request_id}/documents/doc-1/preview.png").status_code == 503
    assert partner.get(f"/requests/{missing.request_id}/documents/other/preview.png").status_code == 404


def test_the_page_shows_it_and_what_was_issued(site: Site, story: Story):
    page = site.person("lukomor").get(f"/requests/{story.request_id}").text
    assert f"/requests/{story.request_id}/documents/doc-1/preview.png" in page
    assert f"/requests/{story.request_id}/documents/doc-1?form=original" in page
    assert 'class="void"' not in page
    site.write(story.rejected())
    assert 'class="void"' in site.person("lukomor").get(f"/requests/{story.request_id}").text
