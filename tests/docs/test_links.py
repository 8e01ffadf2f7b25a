"""What one page of the documentation says of another, and of a file, is there; the page that comes first is short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_shown_commands import PAGES
from tests.paths import PROJECT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
A_FILE = re.compile(r"`((?:bench|deploy|docs|events|postavka|services|tests)/[\w./-]+\w)(?:::\w+)?`")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ALL_PAGES = (*PAGES, *sorted((PROJECT / "docs" / "runbooks").glob("*.md")))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: small letters, hyphens for blanks, no other signs."""
    headings = re.findall(r"^#+ (.+)$", re.sub(FENCED, "", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(re.sub(FENCED, "", page.read_text("utf-8"))):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_files_that_are_named_exist(page: Path) -> None:
    missing = {each for each in A_FILE.findall(page.read_text("utf-8")) if not (PROJECT / each).exists()}
    assert missing == set()


def test_files_that_docstrings_name_exist() -> None:
    """By their last name, which is how a module speaks of its neighbours: `recipients.py`."""
    sources = [path for top in ("events", "postavka", "services", "bench") for path in (PROJECT / top).rglob("*.py")]
    there = {path.name for path in sources}
    named = {(path.name, each) for path in sources for each in re.findall(r"`([\w]+\.py)`", path.read_text("utf-8"))}
    assert {(path, each) for path, each in named if each not in there} == set()


def test_the_architecture_is_one_page_with_one_picture() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    assert len(text.split()) <= 1500
    assert text.count("```mermaid") == 1


def test_every_decision_is_listed_and_names_its_price() -> None:
    pages = sorted((PROJECT / "docs" / "adr").glob("[0-9]*.md"))
    listed = re.findall(
        r"^\| \[(\d{3})\]\(([^)]+)\)", (PROJECT / "docs" / "adr" / "README.md").read_text("utf-8"), re.M
    )
    assert listed == [(page.name[:3], page.name) for page in pages]
    assert [int(number) for number, _ in listed] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text("utf-8")
        assert text.startswith(f"# {page.name[:3]}. ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Price")), page.name
