from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from fenxiao.ledger.model import Journal, Posting, TaxClass
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement import LineType, lines_of, paid_days_of, totals_of
from fenxiao.ledger.statement_store import StatementStore
from tests.support.world import NOW, Books, paid_order, refund, rule_set

DAY = date(2026, 3, 1)


def journal(collection: str = "order#T1", event: str = "earn", *postings: tuple[str, str, str, int]) -> Journal:
    return Journal(
        collection=collection,
        number=0,
        event=event,
        hash="x",
        at=NOW,
        posted_at=NOW,
        postings=tuple(Posting(*one) for one in postings or [("C", "commission", "held", 7)]),
        paid_day="2026-02-28",
    )


@pytest.mark.usefixtures("tables")
def test_lines_and_totals_follow_the_journals() -> None:
    books, order = Books(), paid_order(10_000)
    ProjectionStore().project(
        books.follow(order, [], rule_set()) + books.follow(order, [refund(order, 4_000)], rule_set())
    )
    store = StatementStore()
    assert [(line.event, line.held_fen) for line in store.lines("C", None, 10)] == [("refund#R1", -400), ("earn", 1000)]
    totals = store.totals(DAY)
    assert (totals["sales_fen"], totals["refunds_fen"], totals["orders"]) == (10_000, 4_000, 1)
    assert totals["held_fen"] == -totals["commission_expense_fen"] == 600 + 300 + 120


def test_each_wallet_that_a_journal_moved_has_its_line_and_debt_is_shown_positive() -> None:
    lines = lines_of(
        journal(
            "order#T1",
            "refund#R1",
            ("C", "commission", "available", -5),
            ("C", "commission", "debt", -2),
            ("C", "rebate", "held", -3),
            ("D", "commission", "held", -1),
            ("", "", "commission_expense", 11),
        )
    )
    assert [
        (line.member_id, line.tax_class, line.held_fen, line.available_fen, line.reserved_fen, line.debt_fen)
        for line in lines
    ] == [
        ("C", TaxClass.COMMISSION, 0, -5, 0, 2),
        ("C", TaxClass.REBATE, -3, 0, 0, 0),
        ("D", TaxClass.COMMISSION, -1, 0, 0, 0),
    ]


@pytest.mark.parametrize(
    ("event", "tax_class", "title"),
    [
        ("earn", "commission", "订单佣金"),
        ("earn", "rebate", "首单返现"),
        ("refund#R1", "commission", "退款扣回"),
        ("refund#R1", "rebate", "退款扣回"),
        ("settle", "commission", "佣金结算"),
        ("settle", "rebate", "返现结算"),
        ("release#C", "commission", "佣金解冻"),
        ("deny", "commission", "佣金驳回"),
        ("close", "commission", "月度奖励"),
        ("adjust#2", "commission", "月度奖励调整"),
        ("write_off", "commission", "欠款核销"),
        ("reserve", "commission", "申请提现"),
        ("paid", "commission", "提现成功"),
        ("returned", "commission", "提现退回"),
    ],
)
def test_line_says_what_it_is_about(event: str, tax_class: str, title: str) -> None:
    (line,) = lines_of(journal("order#T1", event, ("C", tax_class, "held", 7)))
    assert (line.title, line.type) == (title, event.partition("#")[0])


def test_every_type_has_a_title_in_every_tax_class() -> None:
    (line,) = lines_of(journal())
    titles = {replace(line, event=kind, tax_class=one).title for kind in LineType for one in TaxClass}
    assert len(titles) == len(LineType) + 4


@pytest.mark.parametrize(
    ("collection", "source", "commission_id"),
    [
        ("order#T1", "T1", "T1-C"),
        ("withdrawal#W1", "W1", None),
        ("bonus#2026-03#C", "2026-03", None),
        ("writeoff#K1", "K1", None),
    ],
)
def test_line_names_its_source_and_the_commission_that_explains_it(
    collection: str, source: str, commission_id: str | None
) -> None:
    (line,) = lines_of(journal(collection))
    assert (line.source, line.commission_id) == (source, commission_id)


def test_days_of_events_and_days_of_payment_are_apart() -> None:
    late = replace(
        journal("order#T1", "earn", ("C", "commission", "held", 7), ("", "", "commission_expense", -7)),
        at=NOW + timedelta(hours=13),
        sale_fen=70,
    )
    assert [(day, figures["held_fen"]) for day, figures in totals_of([late]).items()] == [(date(2026, 3, 2), 7)]
    assert paid_days_of([late]) == {
        date(2026, 2, 28): {"sales_fen": 70, "refunds_fen": 0, "orders": 1, "commission_fen": 7, "cashback_fen": 0}
    }
    assert paid_days_of([replace(late, paid_day="")]) == {}
