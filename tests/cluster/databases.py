"""Two PostgreSQL: a primary and a synchronous standby, which is a copy by `pg_basebackup` that follows it.

While `synchronous_standby_names` names a standby, a commit is acknowledged when both have it. So no commit is lost
with the primary. It must be taken away when one of the two is gone for longer, by whoever knows that this one is dead
and stays so; and put back when there are two again.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from postavka.kernel.runtime.database import USER, DatabaseServer
from postavka.kernel.runtime.file_access import let_pass, write_secret
from postavka.kernel.runtime.processes import Processes, Program
from tests.system.conftest import wait_until

PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Replica(DatabaseServer):
    """A server that can be made anew as a copy of another one."""

    name: str = ""

    def program(self) -> Program:
        """How it is kept running."""
        return Program(self.name, self.argv(), "servers", stop_signal="INT", user=self.user)

    def copy_of(self, primary: Replica) -> None:
        """Be a standby of a server that runs, from now on; what lay here before is gone."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.user is not None:
            let_pass(self.folder.resolve())
            self._choose_place()
            if self._binaries != primary._binaries and not self._binaries.exists():
                shutil.copytree(primary._binaries.parent, self._binaries.parent)
        password = (primary.folder / "password").read_text()
        write_secret(self.folder / "password", password)
        place = self._place
        shutil.rmtree(place / "data", ignore_errors=True)
        (place / "data").mkdir(mode=0o700)
        write_secret(place / "pgpass", f"127.0.0.1:*:*:{USER}:{password}", self.user)
        if self.user is not None:
            os.chown(place / "data", pwd.getpwnam(self.user).pw_uid, -1)
        self._run(
            "pg_basebackup",
            f"--dbname=host=127.0.0.1 port={primary.port} user={USER} passfile={place / 'pgpass'} "
            f"application_name={self.name}",
            f"--pgdata={place / 'data'}",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
        )

    def session(self) -> psycopg.Connection[Any]:
        """An administrator's."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=5)


class Pair:
    """Primary and standby, whichever of the two they are now."""

    def __init__(self, home: Path, ports: dict[str, int]) -> None:
        self.primary = Replica(home / "postgres-1", ports["postgres-1"], name="postgres-1")
        self.standby = Replica(home / "postgres-2", ports["postgres-2"], name="postgres-2")
        self.primary.prepare()
        shutil.rmtree(self.standby.folder, ignore_errors=True)
        self.standby.folder.mkdir(mode=0o700)
        self.standby._choose_place()  # its command line says where its data will lie

    def url(self) -> str:
        """The services' address of the database: both hosts, and that it has to be the primary."""
        one, two = urlsplit(self.primary.url), f"127.0.0.1:{self.standby.port}"
        return one._replace(netloc=f"{one.netloc},{two}", query="target_session_attrs=primary").geturl()

    def start(self, servers: Processes) -> None:
        """Both, and every commit on both."""
        servers.start(self.primary.name)
        self.primary.wait_until_ready()
        self.copy(servers)

    def copy(self, servers: Processes) -> None:
        """Make the standby anew of the primary, and let it follow."""
        self.standby.copy_of(self.primary)
        servers.start(self.standby.name)
        self.follow()

    def follow(self) -> None:
        """Wait until the standby follows, and let commits wait for it from then on. The standby gets the same list, for
        the day on which it is the primary."""
        self._wait_for("streaming", "state")
        for each in (self.standby, self.primary):
            _set_list(each, "*")
        self._wait_for("sync", "sync_state")

    def do_with_one(self) -> None:
        """Let commits wait for no copy any more."""
        _set_list(self.primary, "")

    def _wait_for(self, wanted: str, column: str) -> None:
        with self.primary.session() as session:
            wait_until(
                lambda: session.execute(f"SELECT 1 FROM pg_stat_replication WHERE {column} = %s", (wanted,)).fetchone(),  # noqa: S608
                f"the standby is {wanted}",
                PATIENCE_SECONDS,
            )

    def promote(self) -> None:
        """The standby becomes the primary; the other one must be dead."""
        with self.standby.session() as session:
            session.execute("SELECT pg_promote()")
        self.primary, self.standby = self.standby, self.primary

    @contextmanager
    def waiting_commits(self) -> Iterator[Any]:
        """Tells how many commits wait for a standby that does not answer."""
        with self.primary.session() as session:
            yield lambda: session.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            ).fetchone()[0]  # type: ignore[index]

    def remove(self) -> None:
        """Delete what lies outside of the home folder."""
        for each in (self.primary, self.standby):
            each.remove()


def _set_list(server: Replica, names: str) -> None:
    with server.session() as session:
        session.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        session.execute("SELECT pg_reload_conf()")
