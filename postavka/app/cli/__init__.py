"""The command line, `postavka`: the outermost layer, the one part of the kernel's package that knows the services."""

from postavka.app.cli.app import main

__all__ = ["main"]
