from datetime import date

import pytest

from fenxiao.ledger.model import Journal, Posting
from fenxiao.ledger.statement_store import StatementStore
from tests.support.world import NOW, Books, paid_order, refund, rule_set

pytestmark = pytest.mark.usefixtures("tables")
DAY = date(2026, 3, 1)


def journals() -> list[Journal]:
    books, order = Books(), paid_order(10_000)
    return books.follow(order, [], rule_set()) + books.follow(order, [refund(order, 4_000)], rule_set())


def test_lines_and_totals_follow_the_journals() -> None:
    store = StatementStore()
    store.project(journals())
    lines, last = store.lines("C", 10, None)
    assert [(line.event, line.held_fen) for line in lines] == [("refund#R1", -400), ("earn", 1000)]
    assert last is None
    totals = store.totals(DAY)
    assert (totals["sales_fen"], totals["refunds_fen"], totals["orders"]) == (10_000, 4_000, 1)
    assert totals["held_fen"] == -totals["commission_expense_fen"] == 600 + 300 + 120


def test_a_journal_that_comes_twice_counts_once() -> None:
    store = StatementStore()
    store.project(journals())
    store.project([*journals(), *journals()])
    assert store.totals(DAY)["sales_fen"] == 10_000


def test_a_journal_without_postings_counts_once_too() -> None:
    store = StatementStore()
    books = Books()
    empty = books.follow(paid_order(10_000, chain=()), [], rule_set())
    store.project(empty)
    store.project(empty)
    assert store.totals(DAY)["sales_fen"] == 10_000


def test_pages_go_on_where_the_last_one_ended() -> None:
    store = StatementStore()
    many = [
        Journal(
            collection=f"order#T{i}",
            number=0,
            event="earn",
            hash="x",
            at=NOW,
            postings=(Posting("C", "commission", "held", i), Posting("", "", "commission_expense", -i)),
        )
        for i in range(1, 8)
    ]
    store.project(many)
    seen, last = store.lines("C", 3, None)
    while last:
        page, last = store.lines("C", 3, last)
        seen += page
    assert sorted(line.held_fen for line in seen) == [1, 2, 3, 4, 5, 6, 7]
