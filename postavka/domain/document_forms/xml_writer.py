"""Writes XML, always with the same bytes: those that the standard library gives the same elements (a test holds it).

Signatures lie over these bytes for years, so they follow from a page of code here, not from a library's next release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Not even as a reference. A line break in a signature's base64 is none of these."""


class Element(str):
    """An element that is written already."""

    __slots__ = ()


def element(tag: str, attributes: Mapping[str, str | None], *content: str) -> Element:
    """An element with its attributes in their order, without those that are None. `content`: elements, and text."""
    named = "".join([f' {name}="{_quoted(value)}"' for name, value in attributes.items() if value is not None])
    if not content:
        return Element(f"<{tag}{named} />")
    within = "".join([each if isinstance(each, Element) else _escaped(each) for each in content])
    return Element(f"<{tag}{named}>{within}</{tag}>")


def document(root: Element) -> bytes:
    """The file, in windows-1251, other characters as references. Raises `ValueError` for what XML can't hold."""
    if NOT_XML.search(root):
        raise ValueError("a title with a character that XML can't hold")
    return b'<?xml version="1.0" encoding="windows-1251"?>\n' + root.encode("windows-1251", "xmlcharrefreplace")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


@lru_cache(maxsize=4_000)
def _quoted(text: str) -> str:
    """Most values come again and again: constants, names, addresses."""
    return _escaped(text).replace('"', "&quot;")
