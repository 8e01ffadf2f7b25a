"""Errors that a person can do something about."""

from __future__ import annotations


class UserError(RuntimeError):
    """The message says what is wrong and what to do; the command line prints it without a traceback."""


class ServerAway(UserError):
    """A server could not be used. What its library has raised is the cause of this; the text is for logs."""
