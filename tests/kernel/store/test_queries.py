"""Statements in files: each has a name, a purpose («Reads …», «Adds …») and a user, and stands there once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from postavka.kernel.store.queries import NAMED, load_queries

ROOT = Path(__file__).parents[3]
FILES = sorted(path for top in ("postavka", "services") for path in (ROOT / top).rglob("sql/queries.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_statement_has_a_name_of_its_own_a_purpose_and_a_user(path: Path) -> None:
    text, slice_ = path.read_text("utf-8"), path.parents[1]
    statements = NAMED.findall(text)
    names = [name for name, _, _ in statements]
    assert len(names) == len(set(names)) == text.count("-- name:")
    assert [name for name, purpose, _ in statements if not re.match(r"-- [A-Z][a-z]+s (?s:.+)\.$", purpose)] == []
    assert len({body for _, _, body in statements}) == len(statements)
    package = ".".join(slice_.relative_to(ROOT).parts)
    loads = f'load_queries("{package}")'
    users = [each for each in slice_.rglob("*.py") if loads in each.read_text("utf-8")]
    asked = {name for each in users for name in re.findall(r"\bQUERIES\.(\w+)", each.read_text("utf-8"))}
    assert asked == set(names)


def test_a_statement_that_is_not_there_is_told_by_its_package() -> None:
    with pytest.raises(AttributeError, match=r"services\.payments has no statement 'nothing'"):
        _ = load_queries("services.payments").nothing
