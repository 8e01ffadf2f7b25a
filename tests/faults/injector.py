"""Carries faults out, each in a thread of its own, and puts everything right in the end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from random import Random
from xmlrpc.client import Fault as ManagerFault

import psycopg

from tests.faults.rig import Rig
from tests.faults.schedule import SERVERS, Fault


class Injector:
    """`inject` begins a fault and returns; `skipped` counts those that can't be had here."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig = rig
        self._chance = Random(seed)
        self._running: list[threading.Thread] = []
        self.skipped: dict[str, str] = {}
        """Kind → why it can't be had here."""
        self.failed: list[str] = []

    def inject(self, fault: Fault) -> str:
        """Begin it; returns what is to be said of it beside its line."""
        act: Callable[[str, float], None] = getattr(self, f"_{fault.kind}")
        if fault.kind == "full" and not self._rig.disks:
            self.skipped["full"] = "disks of our own can be mounted by root alone"
            return "skipped"
        thread = threading.Thread(target=self._run, args=(act, fault), daemon=True)
        self._running.append(thread)
        thread.start()
        return ""

    def wait(self) -> None:
        """Until all that was begun is over, and everything is as it should be."""
        for thread in self._running:
            thread.join()
        for proxy in self._rig.proxies.values():
            proxy.heal()
        for disk in self._rig.disks.values():
            disk.free()
        for service in self._rig.launch.services:
            self._rig.clocks.set(service, "+0")
        for name in (*SERVERS, *self._rig.launch.services):
            self._signal(name, signal.SIGCONT)
            self._start(name)

    def _run(self, act: Callable[[str, float], None], fault: Fault) -> None:
        try:
            act(fault.target, fault.seconds)
        except Exception as wrong:  # a defect of the rig, told at the end of the run
            self.failed.append(f"{fault}: {type(wrong).__name__}: {wrong}")

    # Processes

    def _signal(self, name: str, sign: signal.Signals) -> int:
        pid = self._rig.processes_of(name).pid(name)
        if pid:
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                return 0
        return pid

    def _start(self, name: str) -> None:
        try:
            self._rig.processes_of(name).start(name)
        except ManagerFault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise

    def _kill(self, name: str, seconds: float) -> None:
        self._signal(name, signal.SIGKILL)

    def _terminate(self, name: str, seconds: float) -> None:
        self._signal(name, signal.SIGTERM)

    def _restart(self, name: str, seconds: float) -> None:
        self._rig.processes_of(name).stop(name)
        time.sleep(seconds)
        self._start(name)

    def _pause(self, name: str, seconds: float) -> None:
        pid = self._signal(name, signal.SIGSTOP)
        time.sleep(seconds)
        if pid and self._rig.processes_of(name).pid(name) == pid:
            os.kill(pid, signal.SIGCONT)

    _crash, _reboot = _kill, _restart

    def _freeze(self, name: str, seconds: float) -> None:
        pids = _with_children(self._rig.servers.pid(name))
        for pid in pids:
            _try_signal(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in pids:
            _try_signal(pid, signal.SIGCONT)

    def _sessions(self, name: str, seconds: float) -> None:
        try:
            admin = psycopg.connect(self._rig.direct_url, autocommit=True, connect_timeout=5)
        except psycopg.OperationalError:
            return  # another fault has it stopped: nobody has a session
        with admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    def _join(self, stage: str, seconds: float) -> None:
        self._second(f"{stage}-second", seconds)

    def _old(self, service: str, seconds: float) -> None:
        self._second(f"{service}-old", seconds)

    def _second(self, name: str, seconds: float) -> None:
        self._start(name)
        time.sleep(seconds)
        if self._chance.random() < 0.5:
            self._signal(name, signal.SIGKILL)
        self._rig.launch.processes.stop(name)

    # Networks, disks, clocks

    def _network(self, kind: str, name: str, seconds: float) -> None:
        getattr(self._rig.proxies[name], kind)()
        time.sleep(seconds)
        self._rig.proxies[name].heal()

    def _cut(self, name: str, seconds: float) -> None:
        self._network("cut", name, seconds)

    def _delay(self, name: str, seconds: float) -> None:
        self._network("delay", name, seconds)

    def _dark(self, name: str, seconds: float) -> None:
        self._network("dark", name, seconds)

    def _mute(self, name: str, seconds: float) -> None:
        self._network("mute", name, seconds)

    def _lose(self, name: str, seconds: float) -> None:
        self._network("lose", name, seconds)

    def _full(self, name: str, seconds: float) -> None:
        self._rig.disks[name].fill()
        time.sleep(seconds)
        self._rig.disks[name].free()

    def _clock(self, name: str, seconds: float) -> None:
        self._rig.clocks.jump(name, self._chance)
        time.sleep(seconds)
        self._rig.clocks.set(name, "+0")


def _with_children(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid] if pid else []
    for each in found:
        try:
            with open(f"/proc/{each}/task/{each}/children") as children:
                found += map(int, children.read().split())
        except OSError:
            continue
    return found


def _try_signal(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return
