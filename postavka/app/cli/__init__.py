"""The command line, `postavka`: the commands that the registry names, and those that are of no service."""

from postavka.app.cli.app import main

__all__ = ["main"]
