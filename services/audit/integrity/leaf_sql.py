"""A leaf's canonical form (`services.audit.verifier.leaf_data`) as an expression of SQL, so that PostgreSQL
itself makes the hashes of what it keeps."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Composable, Literal

from services.audit.integrity.logs import LEAF_BEGIN, named

Header = tuple[str, Composable, Composable | None]
"""Name, text, and when it is there (None: always)."""


def leaf_expression(key: Composable, headers: Sequence[Header], body: Composable | None = None) -> Composable:
    """The form of what has this key (text), these headers in their order, and this body (bytes; None: an empty one)."""
    always = sum(1 for *_, condition in headers if condition is None)
    counted = SQL(" + ").join([Literal(always), *(SQL("({})::int").format(when) for *_, when in headers if when)])
    parts: list[Composable] = [Literal(LEAF_BEGIN), _text(key), SQL("int4send({})").format(counted)]
    for name, value, condition in headers:
        header = SQL("{} || {}").format(Literal(named(name)), _text(value))
        parts.append(header if condition is None else SQL("CASE WHEN {} THEN {} ELSE '' END").format(condition, header))
    parts.append(SQL("int4send(0)") if body is None else SQL("int4send(octet_length({0})) || {0}").format(body))
    return SQL(" || ").join(parts)


def _text(expression: Composable) -> Composable:
    """A text with its length before it."""
    return SQL("int4send(octet_length({0})) || convert_to({0}, 'UTF8')").format(expression)
