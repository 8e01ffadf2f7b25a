"""Typst, made reproducible: one template folder, own fonts, a given day, PDF/A-2a with tags for screen readers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any, Literal

import orjson
import typst

Standard = Literal["a-2a", "ua-1", "1.7"]
FONTS = Path(__file__).parent / "fonts"


class Untypeset(RuntimeError):
    """A template did not compile: a defect of ours; says where."""


def typeset(template: Path, data: Mapping[str, Any], day: date, *, archive: bool = True) -> bytes:
    """The PDF of a template.

    `data` (JSON) is what the template reads as `json(bytes(sys.inputs.data))`; texts in it are shown as they are, never
    read as markup. `day` becomes the file's date. `archive`: PDF/A-2a and PDF/UA-1 if the fonts have every character,
    else, and without it, plain PDF 1.7, in which a box stands for a character that no font has. Raises `Untypeset`.
    """
    if archive:
        try:
            return _compile(template, data, day, ["a-2a", "ua-1"])
        except Untypeset:
            pass  # a name may hold anything; a template that is wrong fails below as well
    return _compile(template, data, day, ["1.7"])


def _compile(template: Path, data: Mapping[str, Any], day: date, standards: list[Standard]) -> bytes:
    try:
        pdf = typst.compile(
            template,
            root=template.parent,
            font_paths=own_fonts(),
            format="pdf",
            sys_inputs={"data": orjson.dumps(data).decode()},
            pdf_standards=[*standards],
            timestamp=datetime.combine(day, time(12), UTC),
        )
    except typst.TypstError as wrong:
        raise Untypeset(f"{template.name}: {wrong.message}"[:1000]) from None
    if not isinstance(pdf, bytes):
        raise Untypeset(f"{template.name}: no PDF")
    return pdf


@cache
def own_fonts() -> typst.Fonts:
    """The project's own and no others, read once: to find them anew took a quarter of what a document takes."""
    return typst.Fonts(include_system_fonts=False, font_paths=[FONTS])
