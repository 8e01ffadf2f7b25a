"""An export of the log as one ZIP archive that is sent while it is made: one of its files at a time lies on the disk,
and nothing of it in memory. Blocks: read it in a thread."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from postavka.kernel.settings import Settings
from services.audit.history.export import ExportRange, ExportReport, Format, write_files

PIECE = 1 << 20
"""Bytes, of a file as it is read and of the archive as it is sent; the last piece of a file is shorter."""


class _Sent:
    """What `ZipFile` writes to: it can't go back, and what was written is taken from it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        """Keep it until it is taken."""
        self._pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""

    def take(self) -> bytes:
        """What was written since the last time."""
        data = b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return data


def archived(config: Settings, form: Format, wanted: ExportRange, found: ExportReport) -> Iterator[bytes]:
    """The archive in pieces. What `found` names as exported is not sent before that."""
    sent = _Sent()
    with (
        TemporaryDirectory(prefix="postavka-export-") as folder,
        zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        root = Path(folder) / "export"
        for path in write_files(config, root, form, wanted, found):
            with (
                path.open("rb") as file,
                archive.open(path.relative_to(root).as_posix(), "w", force_zip64=True) as part,
            ):
                while block := file.read(PIECE):
                    part.write(block)
                    if sent.size >= PIECE:
                        yield sent.take()
            path.unlink()
        archive.close()
        yield sent.take()
