"""This machine: Python, settings, room, and what servers and signatures need of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from postavka.app.one_box.cgroup import Division, division
from postavka.app.one_box.doctor.check import Check, listed
from postavka.domain.openssl import gost_environment
from postavka.kernel.runtime import kafka_jars
from postavka.kernel.runtime.java import NoJava, find_java
from postavka.kernel.settings import Settings
from services.shipping.list_survey import Survey

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 1_000_000_000
"""Below this the disk is as good as full: one Kafka segment has 256 MB, PostgreSQL's log may take 4 GB under load."""


def check_python(version: Sequence[int]) -> Check:
    """Is Python new enough?"""
    found = ".".join(map(str, version))
    if tuple(version[:2]) >= OLDEST_PYTHON:
        return Check("Python", "ok", found)
    needed = ".".join(map(str, OLDEST_PYTHON))
    return Check("Python", "wrong", found, f"{needed} or later is needed: make PYTHON=python3.12 install")


def check_settings(config: Settings) -> Check:
    """The check that either both servers are named or none."""
    named = {
        "KAFKA_BOOTSTRAP_SERVERS": config.kafka_bootstrap_servers is not None,
        "DATABASE_URL": config.database_url is not None,
    }
    if all(named.values()):
        return Check("settings", "ok", "servers named in the environment")
    if not any(named.values()):
        return Check("settings", "ok", f"servers of this folder ({config.home})")
    there = next(name for name, is_set in named.items() if is_set)
    away = next(name for name, is_set in named.items() if not is_set)
    return Check(
        "settings", "wrong", f"{there} is set, {away} is not: neither is used", f"set {away}, or unset {there}"
    )


def check_settings_error(wrong: ValidationError) -> Check:
    """Settings that can't be read. Values are left out: one may be a password."""
    found = "; ".join(
        f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
        for error in wrong.errors(include_url=False, include_input=False, include_context=False)
    )
    advice = "correct them in the environment or in .env; postavka/kernel/settings.py has all"
    return Check("settings", "wrong", found, advice)


def free_bytes(path: Path) -> int:
    """Free on the disk of this path, or of the nearest folder above it that exists."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def check_disk(home: Path, free: Callable[[Path], int]) -> Check:
    """Is there room for data and logs?"""
    left = free(home)
    found = f"{left / 1e9:.1f} GB free for {home}"
    if left >= LEAST_FREE_BYTES:
        return Check("disk", "ok", found)
    needed = f"{LEAST_FREE_BYTES / 1e9:.0f} GB"
    return Check("disk", "wrong", found, f"make room ({needed} at least), or set POSTAVKA_HOME to a folder elsewhere")


def check_java(outside: bool) -> Check:
    """Is there a Java that Kafka can run on?"""
    if outside:
        return Check("Java", "ok", "not needed: Kafka is not started here")
    try:
        return Check("Java", "ok", short(find_java()))
    except NoJava as none:
        return Check("Java", "wrong", str(none), "make install, or set JAVA_HOME")


def short(path: Path) -> str:
    """Relative to the working folder where it lies below it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def check_jars(jars: Path, outside: bool) -> Check:
    """Are Kafka's jars here? Missing ones are no mistake: the next start fetches them (and checks every SHA-256)."""
    if outside:
        return Check("Kafka's jars", "ok", "not needed: Kafka is not started here")
    locked = kafka_jars.read_lock()
    folder = jars / f"kafka-{kafka_jars.VERSION}"
    missing = sum(1 for jar in locked if not (folder / jar.file).exists())
    found = f"Kafka {kafka_jars.VERSION}, {len(locked)} jars"
    return Check("Kafka's jars", "ok", f"{found}; {missing} to be fetched at the next start" if missing else found)


def check_gost(command: str | None) -> Check:
    """Can GOST signatures be checked and made here?"""
    todo = "apt install openssl libengine-gost-openssl (make debian), if counterparties sign with GOST keys"
    if command is None:
        return Check("GOST", "unknown", "there is no command openssl", todo)
    if gost_environment(command) is None:
        return Check("GOST", "unknown", f"{command} has no engine gost", todo)
    return Check("GOST", "ok", f"{command} has the engine gost")


def check_revocation_lists(found: Survey) -> Check:
    """Can all the revocation lists that `POSTAVKA_SIGNATURE_REVOCATION_LISTS` names be used?"""
    wrong = found.sentences()
    if wrong:
        todo = "fetch them anew, or take them out: no certificate of their issuers can be judged without"
        return Check("revocation lists", "wrong", listed(wrong), todo)
    if not found.usable:
        return Check("revocation lists", "wrong", "none are there", "fetch them: signatures wait in the dead letters")
    return Check("revocation lists", "ok", f"{found.usable}, all read")


def check_processor(outside: bool, divided: Division | None) -> Check:
    """Do programs give way to each other as configured? A slow system is no broken one: never wrong."""
    if outside:
        return Check("processor", "ok", "PostgreSQL is not started here: nothing to be arranged with it")
    if divided is None or (divided.in_root and os.access(divided.root, os.W_OK)):
        return Check("processor", "ok", "who follows the log gives way to who decides")
    found = "each of PostgreSQL's processes has as much of it as all services together: slow under load"
    return Check("processor", "unknown", found, "sudo sysctl kernel.sched_autogroup_enabled=0, before the start")


def processor_division(home: Path) -> Division | None:
    """The division among what runs in this folder, else among what would be started now."""
    try:
        found = division(int((home / "run" / "supervisord.pid").read_text()))
    except (OSError, ValueError):
        return division()
    return Division(found.root, in_root=False) if found is not None else None  # too late for a group
