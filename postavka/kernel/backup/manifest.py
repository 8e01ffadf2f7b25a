"""The manifest of a copy, with the SHA-256 of every file: `manifest.json`, written last. Without it a copy is none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from postavka.kernel.errors import UserError

FORMAT = 2
"""1: as in releases before, whose files are not sealed."""
FILE = "manifest.json"
CHUNK = 1 << 20


@dataclass(slots=True)
class SavedPartition:
    """The copied part of one partition: records from offset `first` to below `end`. `records` may be fewer."""

    first: int
    end: int
    records: int = 0


class BadCopy(UserError):
    """The copy is incomplete or was changed; the message says by which file."""


@dataclass(slots=True)
class Manifest:
    """The manifest of one copy."""

    taken_at: str = ""
    release: str = ""
    format: int = FORMAT
    topics: dict[str, dict[int, SavedPartition]] = field(default_factory=dict)
    schemas: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    """Roles without a login that the database's grants and policies name."""
    key_id: str | None = None
    """Of the key that the files are sealed with; None: they are not."""
    files: dict[str, str] = field(default_factory=dict)
    """Path in the folder → SHA-256."""

    def write(self, folder: Path) -> None:
        """Hash every file and write the manifest."""
        self.taken_at, self.release = datetime.now(UTC).isoformat(), version("postavka")
        self.files = {
            str(file.relative_to(folder)): sha256(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file.name != FILE
        }
        with (folder / FILE).open("wb") as out:
            out.write(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
            out.flush()
            os.fsync(out.fileno())

    @classmethod
    def read(cls, folder: Path, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Manifest:
        """Read it and check every file. Raises `BadCopy`."""
        try:
            content: dict[str, Any] = orjson.loads((folder / FILE).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            raise BadCopy(f"{folder} has no manifest: no copy, or one that was not finished") from None
        if content.get("format") not in (1, FORMAT):
            raise BadCopy(f"{folder}: a copy of form {content.get('format')!r}; this release reads 1 and {FORMAT}")
        content["topics"] = {
            topic: {int(number): SavedPartition(**each) for number, each in partitions.items()}
            for topic, partitions in content["topics"].items()
        }
        manifest = cls(**content)
        for done, (name, expected) in enumerate(manifest.files.items(), 1):
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise BadCopy(f"{folder} names a file outside of the copy: {name!r}")
            file = folder / name
            if not file.is_file():
                raise BadCopy(f"{name} is missing from {folder}")
            if sha256(file) != expected:
                raise BadCopy(f"{name} in {folder} is not what was written there")
            on_progress(done, len(manifest.files))
        return manifest


def sha256(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    found = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()
