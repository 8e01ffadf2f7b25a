"""Ties a program to its parent: `python -m postavka.kernel.runtime.parent_death [options] -- program …`.

When the parent dies, in whatever way, the kernel sends it `--signal` (TERM): nothing is left running after a `kill -9`.
With `--user` it runs as that user (PostgreSQL refuses to run as root); with `--bare` it gets no more of the environment
than it needs to run, with `--without A,B` all but these variables: passwords of other programs are none of its
business. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Collection

PR_SET_PDEATHSIG = 1
HARMLESS = frozenset(("HOME", "JAVA_HOME", "JAVA_TOOL_OPTIONS", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ"))
"""Variables that hold no secret of ours."""


def main(arguments: list[str]) -> None:
    """Replace this process by the program."""
    mark = arguments.index("--")
    options, program = arguments[:mark], arguments[mark + 1 :]
    sign = signal.Signals[f"SIG{_option(options, '--signal') or 'TERM'}"]
    user = _option(options, "--user")
    parent = os.getppid()
    if user:
        become(user)
    # After the change of user: that clears it.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(sign), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("the parent has gone already")
    withheld = (_option(options, "--without") or "").split(",")
    environment = bare_environment() if "--bare" in options else without(withheld)
    os.execvpe(program[0], program, environment)  # noqa: S606


def bare_environment() -> dict[str, str]:
    """The variables of our environment that every program may know."""
    return {name: value for name, value in os.environ.items() if name in HARMLESS or name.startswith("LC_")}


def without(withheld: Collection[str]) -> dict[str, str]:
    """Our environment but for these variables."""
    return {name: value for name, value in os.environ.items() if name not in withheld}


def become(user: str) -> None:
    """Drop to another user, for good."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = "/"


def _option(options: list[str], name: str) -> str | None:
    return options[options.index(name) + 1] if name in options else None


if __name__ == "__main__":
    main(sys.argv[1:])
