"""The SQL statements of a slice, in its file `sql/queries.sql`, each with a name and a line of purpose.

-- name: find
-- The user with this login, disabled or not.
SELECT {} FROM accounts.users WHERE login = %s;
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString, cast

from psycopg.sql import SQL

NAMED = re.compile(r"^-- name: (\w+)\n((?:--[^\n]*\n)*)(.*?);$", re.MULTILINE | re.DOTALL)


class Queries:
    """The statements of one slice, as attributes. An unknown name raises `AttributeError` with the file's package."""

    def __init__(self, package: str, statements: dict[str, SQL]) -> None:
        self._package = package
        self._statements = statements

    def __getattr__(self, name: str) -> SQL:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"sql/queries.sql of {self._package} has no statement {name!r}") from None


@cache
def load_queries(package: str) -> Queries:
    """The statements of a package. They are the product's own text, so they count as literals."""
    text = files(package).joinpath("sql/queries.sql").read_text("utf-8")
    if left := re.sub(r"^--[^\n]*\n", "", NAMED.sub("", text), flags=re.MULTILINE).strip():
        raise ValueError(f"sql/queries.sql of {package}: this belongs to no named statement: {left[:80]!r}")
    return Queries(package, {name: SQL(cast(LiteralString, body.strip())) for name, _, body in NAMED.findall(text)})
