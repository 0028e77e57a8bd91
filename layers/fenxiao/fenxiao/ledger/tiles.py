"""The log's hashes in tiles, so that a proof reads few objects and what is stored never changes.

A tile of level L holds up to 256 hashes, those of consecutive complete subtrees of height 8 L. A full tile never
changes. The last one of a level is partial; it is stored under its width, so that a log that grows writes a new object
instead of changing one. Go's checksum database keeps its log in this way (golang.org/x/mod/sumdb/tlog).
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct

from fenxiao.ledger.merkle import HASH_BYTES, node_hash

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT


class Tile(Struct, frozen=True):
    """Which hashes a tile holds: the first `width` of the tile `index` of a level."""

    level: int
    index: int
    width: int

    @property
    def name(self) -> str:
        """Return the name under which it is stored."""
        name = f"tile/{self.level}/{self.index}"
        return name if self.width == TILE_WIDTH else f"{name}.p/{self.width}"


type ReadTile = Callable[[Tile], bytes]
"""Gives a tile's hashes, one after the other."""


class TileTree:
    """The complete subtrees of a log of a given size, from its tiles; its `subtree` is what `ledger.merkle` asks for.

    Each tile is read once.
    """

    def __init__(self, size: int, read: ReadTile) -> None:
        """Take the size at which the log's tiles were written."""
        self._size = size
        self._read = read
        self._tiles: dict[Tile, bytes] = {}

    def subtree(self, height: int, index: int) -> bytes:
        """Return the hash of the complete subtree of so many levels at this index."""
        level, above = divmod(height, TILE_HEIGHT)
        first, count = index << above, 1 << above
        tile = self._tile(level, first // TILE_WIDTH)
        start = first % TILE_WIDTH * HASH_BYTES
        return _folded(tile[start : start + count * HASH_BYTES])

    def _tile(self, level: int, index: int) -> bytes:
        width = min((self._size >> TILE_HEIGHT * level) - index * TILE_WIDTH, TILE_WIDTH)
        tile = Tile(level, index, width)
        if tile not in self._tiles:
            self._tiles[tile] = self._read(tile)
        return self._tiles[tile]


def growth(old_size: int, leaves: Iterable[bytes], read: ReadTile) -> Iterator[tuple[Tile, bytes]]:
    """Yield the tiles that a log of the old size gains with more leaves, each with its hashes.

    Args:
        old_size: How many leaves the stored tiles hold.
        leaves: The hashes of the leaves that follow.
        read: Gives the partial tiles that the old size left.
    """
    rows: list[_Row] = []
    for leaf in leaves:
        added, level = leaf, 0
        while True:
            if level == len(rows):
                rows.append(_Row(level, old_size, read))
            row = rows[level]
            row.hashes += added
            if len(row.hashes) < TILE_WIDTH * HASH_BYTES:
                break
            hashes = bytes(row.hashes)
            yield row.tile, hashes
            row.next()
            added, level = _folded(hashes), level + 1
    for row in rows:
        if row.hashes:
            yield row.tile, bytes(row.hashes)


class _Row:
    """The last tile of a level while the log grows."""

    def __init__(self, level: int, size: int, read: ReadTile) -> None:
        self._level = level
        self._index, width = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
        self.hashes = bytearray(read(Tile(level, self._index, width)) if width else b"")

    @property
    def tile(self) -> Tile:
        return Tile(self._level, self._index, len(self.hashes) // HASH_BYTES)

    def next(self) -> None:
        self._index += 1
        self.hashes.clear()


def _folded(hashes: bytes) -> bytes:
    """Return the root over hashes whose number is a power of two."""
    row = [hashes[start:end] for start, end in pairwise(range(0, len(hashes) + 1, HASH_BYTES))]
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]
