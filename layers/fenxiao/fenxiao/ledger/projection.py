"""The one consumer of the ledger's stream: statement lines, totals by day, and the Merkle log (M8).

Lines come first and alone: their keys follow from their journals, so writing them twice changes nothing and each costs
a single write unit. What counts or numbers comes in one transaction with a mark per journal, so a journal that arrives
twice counts once (M30).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from pynamodb.attributes import BinaryAttribute

from fenxiao.aws.dynamodb import (
    MAX_TRANSACTION_ACTIONS,
    IntegerAttribute,
    Item,
    Transaction,
    TransactionCancelledError,
    back_off,
    table,
)
from fenxiao.clock import shanghai_day
from fenxiao.errors import BusyError
from fenxiao.ledger.evidence import leaf_bytes
from fenxiao.ledger.merkle import leaf_hash
from fenxiao.ledger.model import Journal
from fenxiao.ledger.statement import lines_of, paid_days_of, totals_of
from fenxiao.ledger.statement_store import add_paid_day, add_totals, put_lines

_LOG: Final = "log"
_HEAD: Final = "head"
_LEAVES: Final = "leaves"
_LOG_ACTIONS: Final = 2
_MAX_ATTEMPTS: Final = 8
_CONDITION_FAILED: Final = "ConditionalCheckFailed"
"""Of a mark: its journal was projected. A conflict, which a cancellation can also report of a mark, says nothing."""


class MarkItem(Item):
    """A journal was projected; its leaf has this index in the log."""

    Meta = table("STATEMENT_TABLE")

    log_index = IntegerAttribute()


class LogHeadItem(Item):
    """How many leaves the log has."""

    Meta = table("STATEMENT_TABLE")

    size = IntegerAttribute()


class LeavesItem(Item):
    """Leaf hashes, 32 bytes each, of consecutive leaves; its sort key is the index of the first."""

    Meta = table("STATEMENT_TABLE")

    hashes = BinaryAttribute(legacy_encoding=False)


class ProjectionStore:
    """The writes of the read models, and what else they tell of single journals."""

    def project(self, journals: Sequence[Journal]) -> None:
        """Write what journals mean; those that were projected before are left as they are.

        Raises:
            BusyError: contention did not cease; the stream brings the batch again.
        """
        once = list({(one.collection, one.number): one for one in journals}.values())
        put_lines([line for journal in once for line in lines_of(journal)])
        for chunk in _chunks(once):
            self._count(chunk)

    def log_index(self, collection: str, number: int) -> int | None:
        """Return the index of a journal's leaf in the log, `None` while it has none."""
        try:
            return int(MarkItem.get(_mark_pk(collection), _mark_sk(number), consistent_read=True).log_index)
        except MarkItem.DoesNotExist:
            return None

    def log_size(self) -> int:
        """Return how many leaves the log has, read consistently."""
        try:
            return int(LogHeadItem.get(_LOG, _HEAD, consistent_read=True).size)
        except LogHeadItem.DoesNotExist:
            return 0

    def leaves(self, first: int, limit: int) -> Iterator[tuple[int, bytes]]:
        """Yield batches of leaf hashes in order, from the one that begins at `first`: its index, and the hashes.

        Args:
            first: The index at which a batch begins.
            limit: How many batches to read at most.
        """
        items = LeavesItem.query(_LEAVES, LeavesItem.sk >= f"{first:012d}", consistent_read=True, limit=limit)
        for item in items:
            yield int(item.sk), item.hashes

    def _count(self, journals: Sequence[Journal]) -> None:
        pending = list(journals)
        for attempt in range(_MAX_ATTEMPTS):
            if not pending:
                return
            try:
                _transaction(pending, self.log_size()).commit()
            except TransactionCancelledError as cancelled:
                marks = zip(pending, cancelled.reasons, strict=False)
                pending = [one for one, reason in marks if reason is None or reason.code != _CONDITION_FAILED]
                back_off(attempt)
            else:
                return
        raise BusyError


def _chunks(journals: Sequence[Journal]) -> Iterator[list[Journal]]:
    """Cut the batch so that marks, days and the log's own actions fit into one transaction."""
    chunk: list[Journal] = []
    days: set[object] = set()
    for journal in journals:
        touched = {shanghai_day(journal.at), journal.paid_day}  # the one is a date, the other text: never mixed up
        if chunk and len(chunk) + 1 + len(days | touched) + _LOG_ACTIONS > MAX_TRANSACTION_ACTIONS:
            yield chunk
            chunk, days = [], set()
        chunk.append(journal)
        days |= touched
    if chunk:
        yield chunk


def _transaction(journals: Sequence[Journal], log_size: int) -> Transaction:
    """Return the transaction: a mark per journal first, so that a cancellation's reasons begin with theirs."""
    transaction = Transaction()
    for index, journal in enumerate(journals, log_size):
        mark = MarkItem(pk=_mark_pk(journal.collection), sk=_mark_sk(journal.number), log_index=index)
        transaction.put(mark, MarkItem.pk.does_not_exist())
    for day, figures in totals_of(journals).items():
        add_totals(transaction, day, figures)
    for day, figures in paid_days_of(journals).items():
        add_paid_day(transaction, day, figures)
    head = LogHeadItem(pk=_LOG, sk=_HEAD, size=log_size + len(journals))
    transaction.put(head, LogHeadItem.size == log_size if log_size else LogHeadItem.pk.does_not_exist())
    hashes = b"".join(leaf_hash(leaf_bytes(journal)) for journal in journals)
    transaction.put(LeavesItem(pk=_LEAVES, sk=f"{log_size:012d}", hashes=hashes), LeavesItem.pk.does_not_exist())
    return transaction


def _mark_pk(collection: str) -> str:
    return f"mark#{collection}"


def _mark_sk(number: int) -> str:
    return f"{number:06d}"
