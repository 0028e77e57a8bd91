"""Refusals of the ledger."""

from collections.abc import Sequence

from fenxiao.errors import ConflictError
from fenxiao.ledger.model import Entry


class InsufficientBalanceError(ConflictError):
    """There is less available than asked for."""

    code = "insufficient_balance"
    title = "可提现余额不足"


class DebtSmallerError(ConflictError):
    """Less is owed than is to be forgiven."""

    code = "debt_smaller"
    title = "欠款少于核销金额"


class MovedError(ConflictError):
    """Another event took the place in the collection first: it is to be read again and planned anew (M1)."""

    code = "journal_moved"
    title = "账务记录已有更新，请重试"


class ContradictionError(ConflictError):
    """The books hold the same event with another cause: nothing is posted, a person has to look (M3)."""

    code = "journal_contradiction"
    title = "账务记录已存在且内容不同"

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Take the entries that contradict what stands at their numbers."""
        super().__init__(", ".join(f"{entry.collection} {entry.event}" for entry in entries))
        self.entries = tuple(entries)


class BrokenBooksError(Exception):
    """An entry would take more from held or reserved than is there: a fault of ours, never of a user."""
