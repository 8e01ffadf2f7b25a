"""The folder that is kept elsewhere: of each log the signed checkpoints, one note behind another, and the hashes of its
leaves, 32 bytes each. Both files only grow, and are on the disk before a checkpoint is published.

The checkpoints prove what was; the leaf hashes name the very event that is not as it was, even where log, database and
trees were all rewritten together. Hashes say nothing of the events' contents.
"""

from __future__ import annotations

import os
from pathlib import Path

from services.audit.integrity.merkle import TILE_WIDTH, Tree
from services.audit.verifier import HASH_BYTES, Checkpoint, VerifierKey, open_checkpoint, split_notes

TAIL_BYTES = 64_000
"""How far back the file is looked at for a checkpoint that may be there already."""


class EvidenceFiles:
    """The two files of one log."""

    def __init__(self, folder: Path, log: str) -> None:
        self.checkpoints = folder / f"{log}.checkpoints"
        self.leaves = folder / f"{log}.leaves"

    def newest(self, keys: list[VerifierKey]) -> Checkpoint | None:
        """The last checkpoint in the file; None without one. Raises `Refused` if it does not hold."""
        if not self.checkpoints.exists():
            return None
        with self.checkpoints.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            tail = file.read()
        notes = list(split_notes(tail[: _whole(tail)].decode("utf-8", "replace")))
        return open_checkpoint(notes[-1], keys) if notes else None

    def read_leaves(self, size: int) -> list[bytes]:
        """The hashes of the first `size` leaves; fewer where the file ends."""
        raw = self.leaves.read_bytes()[: size * HASH_BYTES] if self.leaves.exists() else b""
        return [raw[place : place + HASH_BYTES] for place in range(0, len(raw) - HASH_BYTES + 1, HASH_BYTES)]

    def add_leaves(self, tree: Tree, size: int) -> None:
        """Add what is missing of the hashes of the first `size` leaves."""
        self.leaves.parent.mkdir(parents=True, exist_ok=True)
        with self.leaves.open("ab") as out:
            there, torn = divmod(out.tell(), HASH_BYTES)
            if torn:
                out.truncate(there * HASH_BYTES)
            while there < size:
                index, place = divmod(there, TILE_WIDTH)
                end = min(TILE_WIDTH, size - index * TILE_WIDTH)
                hashes = tree.tile(0, index)[place * HASH_BYTES : end * HASH_BYTES]
                out.write(hashes)
                there += len(hashes) // HASH_BYTES
            out.flush()
            os.fsync(out.fileno())

    def add_checkpoint(self, note: str) -> None:
        """Add a note, unless it is among the last ones: a crash may have come between writing and remembering it."""
        self.checkpoints.parent.mkdir(parents=True, exist_ok=True)
        with self.checkpoints.open("a+b") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            tail = file.read()
            if note.encode() in tail:
                return
            whole = _whole(tail)
            if whole < len(tail):  # a crash has torn the last note: it is written again now
                file.truncate(file.tell() - len(tail) + whole)
            file.write(note.encode())
            file.flush()
            os.fsync(file.fileno())


def _whole(tail: bytes) -> int:
    """Length up to the end of the last whole note: behind a signature line that is complete."""
    lines = tail.splitlines(keepends=True)
    while lines and not (lines[-1].startswith("—".encode()) and lines[-1].endswith(b"\n")):
        lines.pop()
    return sum(map(len, lines))
