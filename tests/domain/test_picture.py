"""A picture of a PDF: its pages under one another, however many; of what is no PDF there is none."""

from __future__ import annotations

import struct

import pytest

from postavka.domain.typesetting import Untypeset
from postavka.domain.typesetting.picture import MOST_PAGES, picture_of
from tests.web.stories import blank_pdf


def height(png: bytes) -> int:
    assert png.startswith(b"\x89PNG")
    return int(struct.unpack(">I", png[20:24])[0])


def test_pages_stand_under_one_another_and_a_long_document_ends():
    one, two, most = (height(picture_of(blank_pdf(pages))) for pages in (1, 2, MOST_PAGES))
    assert one < two < most
    assert height(picture_of(blank_pdf(MOST_PAGES + 3))) == most


@pytest.mark.parametrize("pdf", [b"", b"%PDF", b"%PDF-1.7\n" + bytes(1_000), blank_pdf()[:200]])
def test_of_what_is_no_pdf_there_is_none(pdf: bytes):
    with pytest.raises(Untypeset):
        picture_of(pdf)
