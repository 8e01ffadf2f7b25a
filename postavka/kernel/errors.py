"""Errors that a person can do something about."""

from __future__ import annotations


class UserError(RuntimeError):
    """The message says what is wrong and what to do; the command line prints it without a traceback."""
