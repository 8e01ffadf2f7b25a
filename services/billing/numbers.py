"""Invoice numbers, `2026-0000001`: without gaps within a year, and how a payment's text names one."""

from __future__ import annotations

import re

WIDTH = 7
PATTERN = re.compile(r"(?<!\d)(20\d{2}-\d{7})(?!\d)")


def first_of(year: int) -> str:
    """The first number of a year."""
    return f"{year}-{1:0{WIDTH}d}"


def next_after(number: str) -> str:
    """The number behind this one."""
    year, _, count = number.partition("-")
    return f"{year}-{int(count) + 1:0{WIDTH}d}"


def range_of(year: int) -> tuple[str, str]:
    """Bounds that hold all numbers of a year: lowest, and the first above."""
    return f"{year}-", f"{year}."


def find_in(purpose: str) -> str | None:
    """The one invoice number in the purpose of a payment; None if there is none, or more than one."""
    found = set(PATTERN.findall(purpose))
    return found.pop() if len(found) == 1 else None
