"""A disk whose power can be cut: an ext4 file system on a loop device.

`FS_IOC_SHUTDOWN` without flushing the journal ends it as a power cut does: what had been synced is there after mounting
again, what had not is empty or gone. Needs root and loop devices.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

FS_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING_THE_JOURNAL = 2
MEGABYTES = 3_072
"""Of the disk; its image takes what is written to it."""
UNMOUNT_SECONDS = 60


class Disk:
    """A mounted file system of its own. A context manager: leaving it removes everything."""

    def __enter__(self) -> Disk:
        self._folder = Path(tempfile.mkdtemp(prefix="postavka-disk-"))
        self._folder.chmod(0o755)  # PostgreSQL runs as another user than root, and must reach its data
        self._image = self._folder / "image"
        self.path = self._folder / "mounted"
        self.path.mkdir()
        with self._image.open("wb") as image:
            image.truncate(MEGABYTES * 1_048_576)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", self._image], check=True)
        self._mount()
        return self

    def __exit__(self, *exc: object) -> None:
        self._unmount()
        shutil.rmtree(self._folder, ignore_errors=True)

    def cut(self) -> None:
        """Cut the power. Whoever writes from now on gets errors; what runs must be killed by the caller."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, FS_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSHING_THE_JOURNAL))
        finally:
            os.close(handle)

    def restore(self) -> None:
        """Give the power back. Nothing may run on it."""
        self._unmount()
        self._mount()

    def _mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self._image, self.path], check=True)

    def _unmount(self) -> None:
        """Patiently: a process that was killed lets go of its files when the kernel has buried it."""
        deadline = time.monotonic() + UNMOUNT_SECONDS
        while subprocess.run(["umount", self.path], capture_output=True, check=False).returncode != 0:
            if time.monotonic() > deadline:
                subprocess.run(["umount", "--lazy", self.path], check=True)
                return
            time.sleep(0.1)


def why_not() -> str | None:
    """Why no power can be cut here; None where it can."""
    if os.geteuid() != 0:
        return "only root mounts disks"
    if shutil.which("mkfs.ext4") is None:
        return "mkfs.ext4 isn't on this machine"
    try:
        with Disk() as disk:
            (disk.path / "unsynced").write_text("gone")
            disk.cut()
            disk.restore()
            if (disk.path / "unsynced").exists() and (disk.path / "unsynced").read_text():
                return "a disk that is cut off keeps on this machine what was not synced: a power cut can't be shown"
    except (OSError, subprocess.CalledProcessError) as impossible:
        return f"no disk can be cut off here: {impossible}"
    return None
