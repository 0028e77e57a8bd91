import pytest

from fenxiao.aws.dynamodb import Reason, Transaction, TransactionCancelledError
from fenxiao.errors import BusyError
from fenxiao.ledger import projection
from fenxiao.ledger.model import Journal
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from tests.contract.entries import earn
from tests.support.world import FrozenClock

pytestmark = pytest.mark.usefixtures("tables")
FAILED, CONFLICT = (Reason(code, None) for code in ("ConditionalCheckFailed", "TransactionConflict"))


class CrashError(Exception):
    """The process ends here."""


def journals() -> list[Journal]:
    return post_batch(LedgerStore(FrozenClock()), [earn(f"T{number}", A=10) for number in range(3)]).posted


def cancelled_once(monkeypatch: pytest.MonkeyPatch, *reasons: Reason | None) -> None:
    """Let the next transaction be cancelled for these reasons."""
    commit, answers = Transaction.commit, [TransactionCancelledError(reasons)]

    def fail_once(transaction: Transaction) -> None:
        if answers:
            raise answers.pop()
        commit(transaction)

    monkeypatch.setattr(Transaction, "commit", fail_once)


def lines() -> int:
    return len(list(StatementStore().lines("A", None, 9)))


@pytest.mark.rule("M30")
def test_mark_that_was_only_in_conflict_says_nothing_of_its_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, *new = journals()
    ProjectionStore().project([seen])
    cancelled_once(monkeypatch, FAILED, CONFLICT, None, FAILED)
    ProjectionStore().project([seen, *new])
    assert ProjectionStore().log_size() == 3
    assert {ProjectionStore().log_index(one.collection, 0) for one in (seen, *new)} == {0, 1, 2}


@pytest.mark.rule("M30")
def test_crash_before_what_counts_is_made_good_by_the_next_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    posted = journals()

    def crash(_transaction: Transaction) -> None:
        raise CrashError

    with monkeypatch.context() as dying:
        dying.setattr(Transaction, "commit", crash)
        with pytest.raises(CrashError):
            ProjectionStore().project(posted)
    assert (lines(), ProjectionStore().log_size()) == (3, 0)
    ProjectionStore().project(posted)
    assert (lines(), ProjectionStore().log_size()) == (3, 3)


def test_contention_without_end_is_told_as_passing(monkeypatch: pytest.MonkeyPatch) -> None:
    posted = journals()
    monkeypatch.setattr(projection, "back_off", lambda _attempt: None)
    monkeypatch.setattr(ProjectionStore, "log_size", lambda _self: 7)
    with pytest.raises(BusyError):
        ProjectionStore().project(posted)


def test_journal_without_a_leaf_has_no_index() -> None:
    assert ProjectionStore().log_index("order#T1", 0) is None
    assert list(ProjectionStore().leaves(0, 10)) == []
