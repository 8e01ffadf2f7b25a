"""What people are told things are called, one table a kind of thing: every page, letter and command takes it from
here."""

from __future__ import annotations

STAGE_COLOURS = {
    "request": "cyan",
    "approval": "green",
    "billing": "yellow",
    "shipping": "magenta",
    "activation": "blue",
}
"""Colour of each stage on a terminal, as `rich` names it."""
