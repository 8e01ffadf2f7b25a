"""Errors that a person can do something about, each with the exit status of a command that ends with it."""

from __future__ import annotations

from typing import ClassVar

DONE, ANSWER_IS_NO, CANT_BE_DONE, NOT_FOUND, REFUSED, UNREACHABLE, NO_ANSWER, INTERRUPTED, PIPE_CLOSED = (
    *range(7),
    130,
    141,
)
"""Exit statuses of every command of `postavka`. The last two are what a shell says of a program that SIGINT or SIGPIPE
has ended."""


class UserError(RuntimeError):
    """The message says what is wrong and what to do; the command line prints it without a traceback."""

    exit_status: ClassVar[int] = CANT_BE_DONE


class NotFound(UserError):
    """What was named is not there. The message names what was meant, where one can guess."""

    exit_status = NOT_FOUND


class CommandRefused(UserError):
    """The system has understood, and says no; the message has its reasons."""

    exit_status = REFUSED


class ServerAway(UserError):
    """A server could not be used. What its library has raised is the cause of this; the text is for logs."""

    exit_status = UNREACHABLE


class NoAnswer(UserError):
    """What was asked for lies where it must, and nothing has come of it in the time that a command waits."""

    exit_status = NO_ANSWER
