"""The tree of a log with all that proofs need, in tiles of 256 hashes: root, inclusion and consistency proofs for any
size it has had, each from O(log n) hashes.

Tile (0, i) holds the leaf hashes 256·i …; entry j of tile (l, i) is the root over the full tile (l-1, 256·i+j). The
last tile of a level may be short; only that one ever changes. RFC 9162, section 2.1; tiles as in c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from services.audit.verifier import EMPTY_ROOT, HASH_BYTES, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

Place = tuple[int, int]
"""Level and index of a tile."""
ReadTile = Callable[[int, int], bytes]
"""Hashes of a tile, end to end."""


class Tree:
    """A tree that grows at its right edge. `read` gives any tile that was kept; `changed` are those to keep anew."""

    def __init__(self, size: int, read: ReadTile) -> None:
        self.size = size
        self._read = read
        self.changed: dict[Place, bytes] = {}
        self._edges: dict[int, bytearray] = {}
        """The last, short tile of each level, by level."""

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add hashes of leaves."""
        for leaf in leaves:
            self._push(0, self.size, leaf)
            self.size += 1

    def _push(self, level: int, number: int, content: bytes) -> None:
        """Put hash number `number` of a level into its tile; a tile that is full by it gives one of the level above."""
        index, place = divmod(number, TILE_WIDTH)
        edge = self._edges.get(level)
        if edge is None:
            edge = self._edges[level] = bytearray(self.tile(level, index)[: place * HASH_BYTES] if place else b"")
        edge += content
        self.changed[level, index] = bytes(edge) if place == TILE_WIDTH - 1 else b""
        if place == TILE_WIDTH - 1:
            del self._edges[level]
            self._push(level + 1, index, perfect(self.changed[level, index]))

    def take_changed(self) -> dict[Place, bytes]:
        """Tiles to be kept: what has changed since the last time."""
        changed = {
            (level, index): hashes or bytes(self._edges[level]) for (level, index), hashes in self.changed.items()
        }
        self.changed = {}
        return changed

    def tile(self, level: int, index: int) -> bytes:
        """A tile as it is now."""
        if (level, index) in self.changed:
            return self.changed[level, index] or bytes(self._edges[level])
        return self._read(level, index)

    # Hashes

    def leaf(self, index: int) -> bytes:
        """Hash of a leaf, from 0."""
        return self._node(0, index)

    def root(self, size: int | None = None) -> bytes:
        """The root hash of the tree, or of what it was at an earlier size."""
        size = self.size if size is None else size
        return self._hash(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The path of leaf `index` in the tree of this size (2.1.3.1)."""
        if not 0 <= index < size <= self.size:
            raise ValueError(f"no leaf {index} in a tree of {size}; there are {self.size}")
        return self._path(index, 0, size)

    def consistency(self, first: int, second: int) -> list[bytes]:
        """The path from the tree of `first` leaves to that of `second` (2.1.4.1)."""
        if not 0 <= first <= second <= self.size:
            raise ValueError(f"no way from a tree of {first} to one of {second}; there are {self.size}")
        return [] if first in (0, second) else self._subproof(first, 0, second, whole=True)

    def _path(self, index: int, low: int, high: int) -> list[bytes]:
        if high - low == 1:
            return []
        middle = low + _split(high - low)
        if index < middle:
            return [*self._path(index, low, middle), self._hash(middle, high)]
        return [*self._path(index, middle, high), self._hash(low, middle)]

    def _subproof(self, first: int, low: int, high: int, *, whole: bool) -> list[bytes]:
        if first == high:
            return [] if whole else [self._hash(low, high)]
        middle = low + _split(high - low)
        if first <= middle:
            return [*self._subproof(first, low, middle, whole=whole), self._hash(middle, high)]
        return [*self._subproof(first, middle, high, whole=False), self._hash(low, middle)]

    def _hash(self, low: int, high: int) -> bytes:
        """The hash over the leaves low … high-1, where low is a multiple of the largest power of two in the stretch."""
        width = high - low
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self._node(level, low >> level)
        middle = low + _split(width)
        return node_hash(self._hash(low, middle), self._hash(middle, high))

    def _node(self, level: int, index: int) -> bytes:
        """Root of the perfect subtree number `index` of height `level`."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        tile_index, place = divmod(first, TILE_WIDTH)
        hashes = self.tile(tile_level, tile_index)
        return perfect(hashes[place * HASH_BYTES : (place + (1 << height)) * HASH_BYTES])


def perfect(hashes: bytes) -> bytes:
    """Root over a number of hashes that is a power of two."""
    row = [hashes[place : place + HASH_BYTES] for place in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row), 2)]
    return row[0]


def _split(width: int) -> int:
    """The largest power of two below `width`."""
    power: int = 1 << ((width - 1).bit_length() - 1)
    return power
