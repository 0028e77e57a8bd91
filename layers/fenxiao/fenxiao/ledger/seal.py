"""Sealing the log: once a Shanghai day its new leaves become tiles, and its root is signed.

Whatever is there is checked before anything is added, and what was added before it is signed: the tree must contain the
one that was signed last. Where it does not, nothing is signed, a case is opened and an alarm goes off. A run that ends
between its tiles and its checkpoint leaves tiles that the next run finds to be the same.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Final, Protocol

from msgspec import Struct

from fenxiao.clock import Clock, shanghai_day
from fenxiao.ledger.evidence import (
    BadCheckpointError,
    Checkpoint,
    SignedCheckpoint,
    base64_text,
    checkpoint_text,
    key_id_of,
    parse_checkpoint,
    signature_of,
)
from fenxiao.ledger.log_store import LogKey, LogMismatchError, LogStore
from fenxiao.ledger.merkle import EMPTY_ROOT, HASH_BYTES, consistency_proof, is_consistent, root
from fenxiao.ledger.tiles import TILE_WIDTH, TileTree, growth
from fenxiao.observability import count, logger

EVIDENCE_MISMATCH: Final = "evidence_mismatch"
"""The kind of the case."""
_METRIC: Final = "EvidenceMismatch"
_MAX_BATCHES: Final = 100_000
"""Of one run; leaves beyond them are sealed by the next day's."""


class Leaves(Protocol):
    """Where the log's leaves come from: what the ledger's projection wrote."""

    def log_size(self) -> int:
        """Return how many leaves there are."""
        ...

    def leaves(self, first: int, limit: int) -> Iterator[tuple[int, bytes]]:
        """Yield at most `limit` batches of leaf hashes, each with the index of its first leaf, from that index on."""
        ...


class Mismatch(Struct, frozen=True, kw_only=True):
    """Why nothing was signed."""

    after: str
    """The day of the last good checkpoint, or `start`; a mismatch is the same one until that is repaired."""
    what: str


class Sealer:
    """What it takes to seal the log."""

    def __init__(
        self, leaves: Leaves, store: LogStore, key: LogKey, clock: Clock, report: Callable[[Mismatch], None]
    ) -> None:
        """Take the world: `report` opens the case on a mismatch, once however often it is told."""
        self._leaves = leaves
        self._store = store
        self._key = key
        self._clock = clock
        self._report = report

    def seal(self) -> int | None:
        """Seal what the log holds, unless this day has its checkpoint; return the sealed size, `None` if nothing was.

        Raises:
            BusyError: the store was contended all the time; the next run goes on from here.
        """
        now, after = self._clock.now(), "start"
        try:
            latest = self._store.latest()
            if latest is None:
                return self._sign(Checkpoint(size=0, root=EMPTY_ROOT, at=now), self._add(0), now)
            day, signed = latest
            after = day.isoformat()
            if day >= shanghai_day(now):
                return None
            last = self._checked(day, signed)
            return self._sign(last, self._add(last.size), now)
        except LogMismatchError as mismatch:
            logger.error("the log was not sealed", exc_info=mismatch)
            count(_METRIC)
            self._report(Mismatch(after=after, what=str(mismatch)))
            return None

    def _checked(self, day: date, signed: SignedCheckpoint) -> Checkpoint:
        """Return what the last checkpoint says, if it is this key's, of that day, and true of the stored tiles."""
        try:
            last = parse_checkpoint(signed.text)
        except BadCheckpointError as error:
            raise LogMismatchError("the last checkpoint is none") from error
        if not self._key.verifies(signed.text.encode(), signature_of(signed.signature)):
            raise LogMismatchError("the last checkpoint is not signed by this log's key")
        if last.day != day:
            raise LogMismatchError(f"the last checkpoint is of {last.day}")
        if root(last.size, TileTree(last.size, self._store.tile).subtree) != last.root:
            raise LogMismatchError("the tiles do not have the root that was signed last")
        return last

    def _add(self, old_size: int) -> int:
        """Store the tiles that the log gained; return the size up to which it is stored now."""
        size = old_size
        for tile, hashes in growth(old_size, self._new_leaves(old_size), self._store.tile):
            self._store.put_tile(tile, hashes)
            if tile.level == 0:
                size = tile.index * TILE_WIDTH + tile.width
        return size

    def _new_leaves(self, first: int) -> Iterator[bytes]:
        """Yield the hashes of the leaves from `first` on, as many as there are or as a run takes."""
        end, batches = self._leaves.log_size(), 0
        for index, hashes in self._leaves.leaves(first, _MAX_BATCHES) if first < end else ():
            following = first + len(hashes) // HASH_BYTES
            if index != first or not first < following <= end or len(hashes) % HASH_BYTES:
                raise LogMismatchError(f"the leaves from {first} on are missing or damaged")
            yield from (hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES))
            first, batches = following, batches + 1
            if first == end:
                return
        if first != end and batches < _MAX_BATCHES:
            raise LogMismatchError(f"the leaves end at {first}, the log at {end}")

    def _sign(self, last: Checkpoint, size: int, now: datetime) -> int | None:
        """Sign the tree of this size as it is stored, once it is proved to contain the last one."""
        if size == 0:
            return None
        subtree = TileTree(size, self._store.tile).subtree
        new = Checkpoint(size=size, root=root(size, subtree), at=now)
        if not is_consistent(last.size, last.root, size, new.root, consistency_proof(last.size, size, subtree)):
            raise LogMismatchError("the new tree does not contain the one that was signed last")
        text = checkpoint_text(new)
        signature = base64_text(self._key.sign(text.encode()))
        signed = SignedCheckpoint(text=text, signature=signature, key_id=key_id_of(self._key.public_der))
        return size if self._store.put_checkpoint(new.day, signed) else None
