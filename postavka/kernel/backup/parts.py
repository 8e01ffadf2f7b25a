"""The parts that a copy is taken of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an installation: what lies where."""

    evidence: Path
    blobs: Path | None
    """None: documents are not in a folder; their store makes its own copies."""
    first_topics: Sequence[str] = ()
    """Topics that speak of others as a whole (checkpoints): copied before these."""
    key_schema: str = "keys"
    """The schema that goes with the secrets."""
