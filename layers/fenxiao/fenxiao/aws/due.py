"""The due index: work that falls due is found by asking for it, never by a scan.

A table that has due work carries a sparse index `due` on (`due_shard`, `due_at`), keys only. The shard spreads one kind
of work over a few partitions; whoever takes a piece of work reads the item itself, consistently, and decides there.
"""

import zlib
from typing import Final

DUE_SHARDS: Final = 4


def due_shard(work: str, item_id: str) -> str:
    """Return the index partition in which an item waits for a kind of work, such as `settle#2`."""
    return f"{work}#{zlib.crc32(item_id.encode()) % DUE_SHARDS}"


def due_shards(work: str) -> list[str]:
    """Return all partitions of a kind of work."""
    return [f"{work}#{shard}" for shard in range(DUE_SHARDS)]
