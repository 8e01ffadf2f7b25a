"""What the runbooks tell people to type: blocks and inline commands, read from the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.paths import PROJECT

PAGES = sorted((PROJECT / "docs" / "runbooks").glob("*.md"))
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
PLACEHOLDER = re.compile(r"\b(?:STAGE|LETTER|REQUEST|SERVICE|HOME|URL|PID|FILE)\b")
"""Words in capitals stand for what the reader has at hand."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page: `sh`, with one command a line, or `sql`, with statements that end in a semicolon."""

    page: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """One by one."""
        if self.language == "sh":
            return [line.strip() for line in self.text.splitlines() if line.strip()]
        return [each.strip() for each in self.text.split(";") if each.strip()]


def blocks() -> list[Block]:
    """All, page by page."""
    return [Block(page.name, *found) for page in PAGES for found in FENCE.findall(page.read_text())]


def inline() -> Iterator[tuple[str, str]]:
    """(page, what stands in backquotes) outside of blocks."""
    for page in PAGES:
        yield from ((page.name, found) for found in INLINE.findall(FENCE.sub("", page.read_text())))


def commands(language: str) -> list[tuple[str, str]]:
    """(page, command) of all blocks in a language, and of inline text that begins with `postavka `."""
    found = [(block.page, each) for block in blocks() if block.language == language for each in block.commands]
    if language == "sh":
        found += [(page, text) for page, text in inline() if text.startswith("postavka ")]
    return list(dict.fromkeys(found))
