"""The command `postavka`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import NoReturn

from cyclopts import App
from rich.markup import escape

from postavka.app.registry import COMMANDS, EXPLAIN
from postavka.kernel.address import load
from postavka.kernel.console import errors
from postavka.kernel.errors import ServerAway, UserError

app = App(
    name="postavka",
    help="""Electronic deliveries of support services, from a partner's request to activation.

Start with `postavka demo`, and look around from another terminal:

    postavka doctor                           is everything well?
    postavka log tail                         events as they happen
    postavka cabinet show --partner lukomor   what a partner sees
    postavka request submit --help            send a request of your own

The commands find the servers that run in this folder; KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name others.""",
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
        add_commands(next(iter(sys.argv[1:]), None))()
    except ServerAway as away:
        _end(load(EXPLAIN)(away) or str(away))
    except UserError as known:
        _end(str(known))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if (explained := load(EXPLAIN)(error)) is None:
            raise
        _end(explained)


def _end(message: str) -> NoReturn:
    errors.print(f"[red]{escape(message)}[/]", highlight=False, soft_wrap=True)
    sys.exit(2)
