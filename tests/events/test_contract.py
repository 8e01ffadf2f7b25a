"""The contract stands alone, and its page says what it is."""

from __future__ import annotations

import ast
import re
import sys

import pytest

from events import export
from events.registry import MESSAGES
from events.topics import ALL_TOPICS

ALLOWED = {"events", "pydantic", "pydantic_core", "orjson"} | sys.stdlib_module_names
MODULES = sorted(export.HERE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_contract_imports_nothing_but_pydantic_orjson_and_the_standard_library(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            imported.add((node.module or "").partition(".")[0])
    assert imported <= ALLOWED


def test_the_page_says_what_the_models_say():
    text = export.DOCS.read_text(encoding="utf-8")
    assert text == export.documented(text), "run `python -m events.export` and commit docs/events.md"
    for topic in ALL_TOPICS:
        assert f"`{topic.name}`" in text


def test_every_link_of_the_page_leads_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", export.DOCS.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (export.DOCS.parent / link).exists(), link


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_message_says_what_it_means(name: str):
    text = MESSAGES[name].__doc__ or ""
    assert text.strip()
    assert "|" not in text, "it goes into a table"
    for clause in re.findall(r"L\d+", export.clauses(MESSAGES[name])):
        assert 1 <= int(clause[1:]) <= 20
