"""A picture of a PDF of ours, for pages: no frame and no plug-in is needed to look at it."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import typst
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from postavka.domain.typesetting.typeset import Untypeset, own_fonts

TEMPLATE = Path(__file__).parent / "picture.typ"
MOST_PAGES = 5
"""A document of more is shown by its beginning."""
PIXELS_PER_INCH = 110.0


def picture_of(pdf: bytes) -> bytes:
    """The PNG with the pages of a PDF under one another. Raises `Untypeset`. Blocks for a part of a second."""
    with TemporaryDirectory() as folder:
        template = Path(shutil.copy(TEMPLATE, folder))
        (template.parent / "document.pdf").write_bytes(pdf)
        try:
            pages = min(len(PdfReader(io.BytesIO(pdf)).pages), MOST_PAGES)
            picture = typst.compile(
                template,
                root=template.parent,
                font_paths=own_fonts(),
                format="png",
                ppi=PIXELS_PER_INCH,
                sys_inputs={"pages": str(pages)},
            )
        except (typst.TypstError, PyPdfError) as wrong:
            raise Untypeset(f"no picture of this PDF: {wrong}"[:1000]) from None
    if not isinstance(picture, bytes):
        raise Untypeset("no picture of this PDF")
    return picture
