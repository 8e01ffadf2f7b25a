"""The glossary's names on the wire are those that the product has."""

from __future__ import annotations

import re

from tests.paths import PROJECT

ON_THE_WIRE = (PROJECT / "docs" / "glossary.md").read_text("utf-8").partition("## Names on the wire")[2]
PRODUCT = [
    path.read_text("utf-8")
    for top in ("events", "postavka", "services")
    for path in (PROJECT / top).rglob("*")
    if path.suffix in (".py", ".sql")
]

SAID_IN_PARTS = {"audit.looked", "cabinet.unread", "/ops/money/"}
"""A table with its schema, an address with its router's prefix."""


def test_migration_sets_with_a_name_that_is_no_package_are_listed() -> None:
    named = {pair for text in PRODUCT for pair in re.findall(r'MigrationSet\("([\w.]+)", "([\w.]+)"\)', text)}
    old = {name for name, package in named if name != package}
    assert len(old) > 3
    assert {name for name in old if f"`{name}`" not in ON_THE_WIRE} == set()


def test_every_name_is_in_the_product() -> None:
    names = [
        name.rstrip("…")
        for row in re.findall(r"^\| (`.+?) \|", ON_THE_WIRE, re.M)
        for name in re.findall(r"`(.+?)`", row)
    ]
    assert len(names) > 12
    missing = {
        name
        for name in names
        if not any(part in text for text in PRODUCT for part in (name, name.lower().removeprefix("postavka_")))
    }
    assert missing <= SAID_IN_PARTS
