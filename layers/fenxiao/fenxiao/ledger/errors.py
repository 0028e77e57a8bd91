"""Refusals of the ledger."""

from fenxiao.errors import ConflictError


class InsufficientBalanceError(ConflictError):
    """There is less available than asked for."""

    code = "insufficient_balance"
    title = "可提现余额不足"


class ContradictionError(ConflictError):
    """The place in the collection holds another event, or the same event with another cause (M3)."""

    code = "journal_contradiction"
    title = "账务记录已存在且内容不同"


class BrokenBooksError(Exception):
    """An entry would take more from held or reserved than is there: a fault of ours, never of a user."""
