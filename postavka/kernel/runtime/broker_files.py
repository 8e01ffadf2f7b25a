"""The files of the embedded broker, and how near it is to where the system gives it no more: then it ends."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DATA = Path("kafka") / "data"
"""In the home folder."""
SYSTEM = Path("/proc")


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """`segments`: pieces of topics on the disk. `used`: what is taken of the open files or of the maps of memory that
    the broker may have, whichever share is larger; None when it does not run here, or may not be looked at."""

    segments: int
    used: float | None


def broker_files(home: Path) -> BrokerFiles | None:
    """The figures of the broker that belongs to this home folder; None when there is none in it."""
    data = home / DATA
    if not data.is_dir():
        return None
    segments = sum(
        entry.name.endswith(".log") for folder in os.scandir(data) if folder.is_dir() for entry in _in(folder)
    )
    process = _process(str(home.resolve() / "kafka" / "server.properties"))
    return BrokerFiles(segments, _used(process) if process is not None else None)


def _in(folder: os.DirEntry[str]) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except FileNotFoundError:  # a topic was just deleted
        return []


def _process(properties: str) -> Path | None:
    for file in SYSTEM.glob("[0-9]*/cmdline"):
        try:
            if file.read_bytes().endswith(f"kafka.Kafka\0{properties}\0".encode()):
                return file.parent
        except OSError:  # it has ended
            continue
    return None


def _used(process: Path) -> float | None:
    try:
        files = len(os.listdir(process / "fd"))
        maps = (process / "maps").read_bytes().count(b"\n")
        limits = (process / "limits").read_text().splitlines()
        most_maps = int((SYSTEM / "sys" / "vm" / "max_map_count").read_text())
    except OSError:
        return None
    soft = next(line.split()[3] for line in limits if line.startswith("Max open files"))
    return max(files / int(soft) if soft.isdigit() else 0.0, maps / most_maps)
