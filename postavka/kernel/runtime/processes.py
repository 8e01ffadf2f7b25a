"""Keeps programs running: `supervisord` with a configuration made here, one child of ours, every program tied to it.

Programs are started by name, in the caller's order; what dies is started again within a second, as often as it takes.
Closing stops services first, servers last. If this process is killed, `supervisord` is told by the kernel and stops
everything; if that is killed too, the kernel tells the programs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from postavka.kernel.errors import UserError
from postavka.kernel.runtime.file_access import write_secret

LONGEST_SOCKET = 100
"""Bytes of a unix socket's path that every system takes."""
START_SECONDS = 20
STOP_SECONDS = 30
LOG_MEGABYTES, LOG_OLDER = 20, 2
"""A program's output that has grown so far gets a number; so many with a number are kept."""


class NoProcessManager(UserError):
    """supervisord did not start; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program to run, and how. `group` is `servers` or `services`: services are stopped before servers, and only
    they get the environment, with the passwords in it, but for the variables in `without`."""

    name: str
    argv: Sequence[str]
    group: str = "services"
    env: dict[str, str] = field(default_factory=dict)
    without: Sequence[str] = ()
    stop_signal: str = "TERM"
    stop_seconds: int = 5
    user: str | None = None
    launched_by: Sequence[str] = ()
    """A command that runs it, with the options before it: `nice -n 5`."""


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """The manager's state of a program. `pid` is 0 when it does not run."""

    name: str
    state: str
    pid: int
    since: float
    description: str


class Processes:
    """The programs of one home folder. A context manager."""

    def __init__(self, home: Path, programs: Sequence[Program], env: dict[str, str] | None = None) -> None:
        self._home = home.resolve()
        self._programs = {program.name: program for program in programs}
        self._folder = self._home / "run"
        for folder in (self._folder, self._home / "log"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._short: tempfile.TemporaryDirectory[str] | None = None
        self._socket = self._folder / "supervisor.sock"
        if len(str(self._socket)) > LONGEST_SOCKET:
            self._short = tempfile.TemporaryDirectory(prefix="postavka-")
            self._socket = Path(self._short.name) / "supervisor.sock"
        conf = self._folder / "supervisord.conf"
        write_secret(conf, self._configuration())
        self._child = subprocess.Popen(  # noqa: S603
            _tethered([sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-n", "-c", str(conf)], "TERM"),
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            umask=0o077,  # what programs write is read by nobody else, unless they say so
        )
        self._wait_for_manager()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self, name: str) -> None:
        """Start a program (it need not be ready when this returns). One that ends at once is started again, as one that
        ends later: PostgreSQL does while the kernel still has its predecessor."""
        try:
            self._call("startProcess", self._full(name), False)
        except Fault as fault:
            if fault.faultCode != Faults.SPAWN_ERROR:
                raise

    def stop(self, name: str) -> None:
        """Stop a program and leave it stopped."""
        try:
            self._call("stopProcess", self._full(name), True)
        except Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise

    def restart(self, name: str) -> None:
        """Stop and start."""
        self.stop(name)
        self.start(name)

    def signal(self, name: str, sign: str) -> None:
        """Send a signal, by its name without SIG: `KILL`, `STOP`, `CONT`."""
        self._call("signalProcess", self._full(name), sign)

    def pid(self, name: str) -> int:
        """The id of a program's process; 0 when it does not run."""
        return int(self._call("getProcessInfo", self._full(name))["pid"])

    def status(self) -> list[ProcessStatus]:
        """The states of all programs."""
        return [
            ProcessStatus(row["name"], row["statename"], row["pid"], row["start"], row["description"])
            for row in self._call("getAllProcessInfo")
        ]

    def log(self, name: str) -> Path:
        """Where its output goes."""
        return self._home / "log" / f"{name}.log"

    def close(self) -> None:
        """Stop everything, services first; returns when nothing runs any more."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._short is not None:
            self._short.cleanup()
            self._short = None

    def _full(self, name: str) -> str:
        return f"{self._programs[name].group}:{name}"

    def _call(self, method: str, *arguments: Any) -> Any:
        # A connection for each call: the transport of `supervisor` does not recover from one that failed.
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return getattr(ServerProxy("http://127.0.0.1", transport).supervisor, method)(*arguments)

    def _wait_for_manager(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._child.poll() is None:
            try:
                self._call("getState")
                return
            except (OSError, Fault):
                time.sleep(0.05)
        log = self._home / "log" / "supervisord.log"
        tail = "\n".join(log.read_text().splitlines()[-10:]) if log.exists() else ""
        self.close()
        raise NoProcessManager(f"supervisord did not start\n{tail}")

    def _configuration(self) -> str:
        logs = self._home / "log"
        sections = [
            f"[unix_http_server]\nfile={self._socket}\nchmod=0700\n",
            f"[supervisord]\nlogfile={logs / 'supervisord.log'}\nlogfile_maxbytes=5MB\nlogfile_backups=2\n"
            f"pidfile={self._folder / 'supervisord.pid'}\nchildlogdir={logs}\nminfds=1024\nnocleanup=true\n"
            + ("user=root\n" if os.geteuid() == 0 else ""),
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
        ]
        for program in self._programs.values():
            known = ["--bare"] if program.group == "servers" else ["--without", ",".join(program.without)]
            argv = _tethered([*program.launched_by, *program.argv], program.stop_signal, program.user, known)
            command = " ".join(map(_quoted, argv))
            environment = ",".join(f"{name}={_within_quotes(_escaped(value))}" for name, value in program.env.items())
            sections.append(
                f"[program:{program.name}]\ncommand={_escaped(command)}\nautostart=false\nautorestart=true\n"
                f"startsecs=0\nstartretries=1000000\nstopsignal={program.stop_signal}\n"
                f"stopwaitsecs={program.stop_seconds}\nredirect_stderr=true\n"
                f"stdout_logfile={self.log(program.name)}\n"
                f"stdout_logfile_maxbytes={LOG_MEGABYTES}MB\nstdout_logfile_backups={LOG_OLDER}\n"
                + (f"environment={environment}\n" if environment else "")
            )
        for group, priority in (("servers", 1), ("services", 2)):
            members = [program.name for program in self._programs.values() if program.group == group]
            if members:
                sections.append(f"[group:{group}]\nprograms={','.join(members)}\npriority={priority}\n")
        return "\n".join(sections)


def _tethered(argv: Sequence[str], sign: str, user: str | None = None, known: Sequence[str] = ()) -> list[str]:
    options = ["--signal", sign, *(["--user", user] if user else []), *known]
    return [sys.executable, "-m", "postavka.kernel.runtime.parent_death", *options, "--", *argv]


def _quoted(part: str) -> str:
    return '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _within_quotes(value: str) -> str:
    """A variable's value as `supervisord` reads it: it knows both kinds of quotes, and no way to write one inside of
    its own kind."""
    return f"'{value}'" if '"' in value else f'"{value}"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
