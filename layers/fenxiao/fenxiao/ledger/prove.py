"""Proofs from the sealed log: that a journal is in it, and that it only grew."""

from collections.abc import Mapping
from typing import Final, Protocol

from fenxiao.errors import BadRequestError, ConflictError, NotFoundError
from fenxiao.ledger.evidence import (
    Checkpoint,
    ConsistencyProof,
    InclusionProof,
    SignedCheckpoint,
    base64_text,
    document_of,
    leaf_bytes,
    parse_checkpoint,
    parse_journal_id,
    pem_of,
)
from fenxiao.ledger.log_store import LogKey, LogStore
from fenxiao.ledger.merkle import consistency_proof, includes, inclusion_proof, leaf_hash
from fenxiao.ledger.model import Journal
from fenxiao.ledger.store import LedgerStore
from fenxiao.ledger.tiles import TileTree
from fenxiao.observability import count, logger

SIZES_QUERY: Final = {"from": "较早检查点的日志长度", "to": "较晚检查点的日志长度"}
"""The query parameters of a consistency proof."""
_SIZE_DIGITS: Final = 15


class EvidencePendingError(ConflictError):
    """The journal, or any, is not sealed yet."""

    code = "evidence_pending"
    title = "该账务记录尚未封存，请于次日再查"


class BadLogSizeError(BadRequestError):
    """The sizes are not those of two sealed logs, the smaller first."""

    code = "bad_log_size"
    title = "日志长度无效"


class Index(Protocol):
    """Where a journal stands in the log: what the ledger's projection wrote."""

    def log_index(self, collection: str, number: int) -> int | None:
        """Return the index of a journal's leaf, `None` while it has none."""
        ...


class Prover:
    """What it takes to prove."""

    def __init__(self, ledger: LedgerStore, index: Index, store: LogStore, key: LogKey) -> None:
        """Take the journals, their places in the log, and the sealed log with its key."""
        self._ledger = ledger
        self._index = index
        self._store = store
        self._key = key

    def journal(self, journal_id: str, member_id: str | None) -> InclusionProof:
        """Return the proof that a journal is in the log as it was sealed last.

        Args:
            journal_id: The journal's name in addresses, such as `order~T0…~0`.
            member_id: Who asks, whose journal it must be; `None` for staff.

        Raises:
            NotFoundError: there is no such journal, or it moves nothing of the member's.
            EvidencePendingError: it is not sealed yet.
        """
        journal = self._found(journal_id)
        if member_id is not None and all(one.member_id != member_id for one in journal.postings):
            raise NotFoundError
        index = self._index.log_index(journal.collection, journal.number)
        signed, checkpoint = self._sealed()
        if index is None or index >= checkpoint.size:
            raise EvidencePendingError
        path = inclusion_proof(index, checkpoint.size, TileTree(checkpoint.size, self._store.tile).subtree)
        if not includes(leaf_hash(leaf_bytes(journal)), index, checkpoint.size, path, checkpoint.root):
            # The answer stays as it is: whoever asks is to see that it does not hold.
            logger.error("the journal %s is not what was sealed", journal_id)
            count("EvidenceMismatch")
        return InclusionProof(
            journal=document_of(journal),
            leaf_index=index,
            log_size=checkpoint.size,
            audit_path=[base64_text(one) for one in path],
            checkpoint=signed,
        )

    def consistency(self, query: Mapping[str, str]) -> ConsistencyProof:
        """Return the proof that the log of the size `from` is how the log of the size `to` begins.

        Raises:
            BadLogSizeError: not 1 <= from <= to <= the size that was sealed last.
            EvidencePendingError: nothing is sealed yet.
        """
        _, checkpoint = self._sealed()
        old, new = _size(query.get("from", "")), _size(query.get("to", ""))
        if not 1 <= old <= new <= checkpoint.size:
            raise BadLogSizeError
        path = consistency_proof(old, new, TileTree(checkpoint.size, self._store.tile).subtree)
        return ConsistencyProof(from_size=old, to_size=new, path=[base64_text(one) for one in path])

    def checkpoint(self) -> SignedCheckpoint:
        """Return the last checkpoint.

        Raises:
            EvidencePendingError: nothing is sealed yet.
        """
        return self._sealed()[0]

    def public_key(self) -> str:
        """Return the public key that verifies checkpoints, as PEM."""
        return pem_of(self._key.public_der)

    def _found(self, journal_id: str) -> Journal:
        place = parse_journal_id(journal_id)
        if place is not None:
            for journal in self._ledger.collection(place[0]):
                if journal.number == place[1]:
                    return journal
        raise NotFoundError

    def _sealed(self) -> tuple[SignedCheckpoint, Checkpoint]:
        latest = self._store.latest()
        if latest is None:
            raise EvidencePendingError
        return latest[1], parse_checkpoint(latest[1].text)


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _SIZE_DIGITS):
        raise BadLogSizeError
    return int(text)
