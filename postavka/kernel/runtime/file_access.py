"""The access rights in a home folder: its owner, and no other user of the machine.

PostgreSQL runs as another user when we are root. The group of that user may pass through a folder on the way to the
data (mode 0710), without seeing what else lies there; everything beside is the owner's alone.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from postavka.kernel.errors import UserError

UNPRIVILEGED = "nobody"
"""Whom PostgreSQL runs as where we are root."""
PASSAGE = "postgres"
"""The folder in a home folder that this user has to reach."""


class StrangeFolder(UserError):
    """A folder that should be ours is another user's, or a link."""


def close_home(home: Path) -> None:
    """Take from others what they may do in a home folder; one that was made before is closed by its next start.

    Only what is ours is changed. A folder with the sticky bit is everybody's by intent and stays as it is."""
    status = home.stat()
    if status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX:
        let_pass(home)
    for each in home.iterdir():
        status = each.lstat()
        if stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid():
            continue
        if each.name == PASSAGE:
            let_pass(each)
        elif status.st_mode & 0o077:
            each.chmod(stat.S_IMODE(status.st_mode) & 0o700)


def let_pass(folder: Path) -> None:
    """Close a folder of ours to all but its owner and, where we are root, whom PostgreSQL runs as: he may go through it
    to a name that he knows. Raises `StrangeFolder`."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise StrangeFolder(f"{folder} is a link, or can't be opened: {error.strerror}") from None
    try:
        _require_owner(folder, os.fstat(handle))
        if os.geteuid() == 0:
            os.fchown(handle, -1, pwd.getpwnam(UNPRIVILEGED).pw_gid)
            os.fchmod(handle, 0o710)
        else:
            os.fchmod(handle, 0o700)
    finally:
        os.close(handle)


def require_ours(home: Path) -> None:
    """Another user's folder is no home: he could put links into it that lead what we write elsewhere. Raises
    `StrangeFolder`."""
    _require_owner(home, home.stat())


def _require_owner(folder: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise StrangeFolder(
            f"{folder} belongs to another user: give it to user {os.geteuid()} with chown, or choose another one"
        )


def is_reachable(folder: Path) -> bool:
    """Can whom PostgreSQL runs as get here?"""
    group = pwd.getpwnam(UNPRIVILEGED).pw_gid
    path = folder.resolve()
    found = (each.stat() for each in (path, *path.parents) if each.exists())
    return all(each.st_mode & (0o010 if each.st_gid == group else 0o001) for each in found)


def write_secret(file: Path, text: str, user: str | None = None) -> None:
    """Make a file anew that only its owner may read (`user`; None: we), whatever lay under that name: a link is never
    followed. After a power cut it has the old text or the new one, whole: an empty password would lock us out."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as out:
        if user is not None:
            os.fchown(handle, pwd.getpwnam(user).pw_uid, -1)
        os.fchmod(handle, 0o600)
        out.write(text)
        out.flush()
        os.fsync(handle)
    fresh.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Let everything in a folder outlive a power cut: what another program has written without waiting for the disk."""
    for each in folder.rglob("*"):
        if each.is_dir():
            sync_folder(each)
        elif each.is_file():
            with each.open("rb") as written:
                os.fsync(written.fileno())
    sync_folder(folder)
