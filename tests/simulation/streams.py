"""DynamoDB streams: each consumer reads each shard in order, in batches that come late, again, and beside others."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.memory_engine import Record, stream_event

_SHARDS: Final = 2

type Handler = Callable[[dict[str, Any]], None]


@dataclass
class Shard:
    """What one consumer has still to read of one shard."""

    consumer: str
    number: int
    handler: Handler
    waiting: list[Record] = field(default_factory=list)
    read: list[Record] = field(default_factory=list)
    """What was read, which may come again when somebody sends a parked record anew."""
    busy: bool = False
    """A shard is read by one process at a time."""

    def deliver(self, size: int, *, again: bool = False) -> None:
        """Hand over a batch; it is done with unless the handler raises, or its end is not noted and it comes again."""
        batch = self.waiting[:size]
        self.busy = True
        try:
            self.handler(stream_event(batch))
        finally:
            self.busy = False
        if not again:
            del self.waiting[: len(batch)]
            self.read += batch

    def send_again(self, number: int) -> None:
        """Hand over one old record, on its own and out of order."""
        self.handler(stream_event([self.read[number]]))


class Streams:
    """All consumers of all tables."""

    def __init__(self, source: Sequence[Record], consumers: Mapping[str, tuple[str, Handler]]) -> None:
        """Take where changes appear, and by consumer the table and the function."""
        self._source = source
        self._seen = 0
        self._by_table: dict[str, list[list[Shard]]] = {}
        self.shards: list[Shard] = []
        for consumer, (table, handler) in consumers.items():
            shards = [Shard(consumer, number, handler) for number in range(_SHARDS)]
            self.shards += shards
            self._by_table.setdefault(table, []).append(shards)

    def skip(self) -> None:
        """Go on from here: what came before is known to everybody."""
        self._seen = len(self._source)

    def waiting(self) -> list[Shard]:
        """Return the shards in which something waits for a process."""
        for record in self._source[self._seen :]:
            number = zlib.crc32(record.keys["pk"]["S"].encode()) % _SHARDS
            for shards in self._by_table.get(record.table, ()):
                shards[number].waiting.append(record)
        self._seen = len(self._source)
        return [shard for shard in self.shards if shard.waiting and not shard.busy]
