"""The command `postavka`."""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Mapping
from typing import NoReturn

from cyclopts import App, CycloptsError, MissingArgumentError
from rich.markup import escape

from postavka.app.registry import AWAY, COMMANDS, EXPLAIN
from postavka.kernel.address import load
from postavka.kernel.console import console, errors
from postavka.kernel.errors import CANT_BE_DONE, INTERRUPTED, PIPE_CLOSED, UNREACHABLE, ServerAway, UserError
from postavka.kernel.id_parameter import TypedId

app = App(
    name="postavka",
    help="""Electronic deliveries of support services, from a partner's request to activation.

Start with `postavka demo`, and look around from another terminal:

    postavka doctor                           is everything well?
    postavka log tail                         events as they happen
    postavka cabinet show --partner lukomor   what a partner sees
    postavka request submit --help            send a request of your own

The commands find the servers that run in this folder; KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name others. The
beginning of an id is enough, as long as it fits one alone, and so is a request's number. What asks for something waits
for what comes of it.

Exit status: 0 done, 1 looked at and the answer is no, 2 a mistake, or it can't be done, 3 not found, 4 refused,
5 a server can't be reached, 6 no answer in time, 130 interrupted, 141 whoever was reading has gone.""",
    console=console,
    error_console=errors,
)


def add_commands(called: str | None = None) -> App:
    """Add them all, but import only the one that was called: importing all takes longer than most commands do."""
    known = set(app)
    for name, (address, line) in COMMANDS.items():
        if isinstance(address, Mapping):
            if name not in known:
                group = App(name=name, help=line)
                for part, (place, said) in address.items():
                    group.command(place, name=part, help=said)
                app.command(group)
        elif name == called:
            app.command(load(address))
        elif name not in known:
            app.command(address, name=name, help=line)
    return app


def main() -> None:
    """Entry point: errors a person can do something about are one line, not a traceback."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # it says the same ten times a second
    try:
        _run()
        sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python itself complains at its end
        sys.exit(PIPE_CLOSED)


def _reader_is_gone() -> bool:
    """Has whoever read the output closed it? The pipe to a program that a command has started may break as well."""
    outputs = select.poll()
    outputs.register(sys.stdout.fileno(), 0)
    outputs.register(sys.stderr.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in outputs.poll(0))


def _run() -> None:
    try:
        called = add_commands(next(iter(sys.argv[1:]), None))
        command, bound, _ = called.parse_args(exit_on_error=False, print_error=False)
        for name, value in bound.arguments.items():
            if isinstance(value, TypedId):  # looked up only now: mistakes that need no server come first
                bound.arguments[name] = value.find()
        command(*bound.args, **bound.kwargs)
    except CycloptsError as mistake:
        _end(mistake_in_words(mistake), CANT_BE_DONE)
    except ServerAway as away:
        _end(load(EXPLAIN)(away) or str(away), away.exit_status)
    except UserError as known:
        _end(str(known), known.exit_status)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        if (explained := load(EXPLAIN)(error)) is None:
            raise
        _end(explained, UNREACHABLE if isinstance(error, load(AWAY)) else CANT_BE_DONE)


def mistake_in_words(mistake: CycloptsError) -> str:
    """What is wrong with the words that were typed."""
    if isinstance(mistake, MissingArgumentError) and mistake.argument is not None and not mistake.tokens_so_far:
        given = mistake.keyword is not None or bool(mistake.argument.tokens)
        name = mistake.keyword or mistake.argument.name
        if not given and mistake.argument.index is not None:
            name = name.lstrip("-").upper()
        chain = " ".join(("postavka", *(mistake.command_chain or ())))
        return f"{name} needs a value" if given else f"{name} is missing: see `{chain} --help`"
    mistake.verbose = False
    return str(mistake)


def _end(message: str, status: int) -> NoReturn:
    errors.print(f"[red]{escape(message)}[/]", highlight=False, soft_wrap=True)
    sys.exit(status)
