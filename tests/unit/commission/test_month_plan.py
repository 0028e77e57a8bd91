"""The journals of a bonus: close, adjustments, settlement, release (M19)."""

from collections.abc import Sequence

import pytest

from fenxiao.commission.month import NOTHING, Bonus
from fenxiao.commission.month_plan import Award, plan_award
from fenxiao.commission.plan import Settlement
from fenxiao.ledger.apply import apply
from fenxiao.ledger.model import Entry, Journal, Platform, Wallet, WalletKey
from tests.support.world import NOW

pytestmark = pytest.mark.rule("M19", "M2")

KEY = WalletKey("C")


def award(ladder_fen: int, own_sales_fen: int = 50_000) -> Award:
    bonus = Bonus(own_sales_fen=own_sales_fen, ladder_fen=ladder_fen) if ladder_fen else NOTHING
    return Award(month="2026-03", promoter_id="C", bonus=bonus, rule_version=3)


class Books:
    def __init__(self) -> None:
        self.journals: list[Journal] = []
        self.wallet = Wallet()

    def post(self, what: Award, settlement: Settlement | None = None) -> list[Entry]:
        entries = plan_award(what, self.journals, NOW, settlement)
        journals, changes = apply(entries, {KEY: self.wallet}, NOW)
        self.journals += journals
        self.wallet = changes[KEY].after if changes else self.wallet
        return entries


def events(entries: Sequence[Entry]) -> list[str]:
    return [entry.event for entry in entries]


def test_a_close_is_held_and_belongs_to_the_first_day_of_its_month() -> None:
    books = Books()
    (entry,) = books.post(award(500))
    assert (entry.collection, entry.number, entry.event) == ("bonus#2026-03#C", 0, "close")
    assert (entry.paid_day, entry.sale_fen, dict(entry.platform)) == (
        "2026-03-01",
        0,
        {Platform.COMMISSION_EXPENSE: -500},
    )
    assert books.wallet == Wallet(held_fen=500)


@pytest.mark.rule("M3")
def test_the_cause_is_the_figures_and_the_rules_they_follow_from() -> None:
    (entry,) = plan_award(award(500), [], NOW)
    assert entry.cause == {
        "month": "2026-03",
        "promoter": "C",
        "own_sales_fen": 50_000,
        "ladder_fen": 500,
        "team_sales_fen": 0,
        "team_bonus_fen": 0,
        "rule_version": 3,
    }


def test_the_same_amount_again_posts_nothing_even_if_the_sales_behind_it_moved() -> None:
    books = Books()
    books.post(award(500))
    assert books.post(award(500)) == []
    assert books.post(award(500, own_sales_fen=50_001)) == []


def test_later_figures_post_the_difference_down_to_nothing_and_up_again() -> None:
    books = Books()
    assert [events(books.post(award(fen))) for fen in (500, 300, 0, 0, 200)] == [
        ["close"],
        ["adjust#1"],
        ["adjust#2"],
        [],
        ["adjust#3"],
    ]
    assert books.wallet == Wallet(held_fen=200)


@pytest.mark.rule("M5")
def test_an_adjustment_after_the_settlement_takes_from_what_is_available_then_makes_a_debt() -> None:
    books = Books()
    books.post(award(500))
    assert events(books.post(award(500), Settlement(NOW))) == ["settle"]
    assert books.wallet == Wallet(available_fen=500)
    books.wallet = Wallet(available_fen=100)  # the rest is withdrawn
    books.post(award(300))
    assert books.wallet == Wallet(debt_fen=100)
    books.post(award(450))
    assert books.wallet == Wallet(available_fen=50), "a debt is repaid first"


def test_a_settlement_of_what_has_changed_meanwhile_adjusts_first() -> None:
    books = Books()
    books.post(award(500))
    assert events(books.post(award(400), Settlement(NOW))) == ["adjust#1", "settle"]
    assert books.wallet == Wallet(available_fen=400)


@pytest.mark.rule("M17")
def test_a_suspended_promoter_is_passed_over_until_the_suspension_ends() -> None:
    books = Books()
    books.post(award(500))
    withheld = Settlement(NOW, frozenset({"C"}))
    assert events(books.post(award(500), withheld)) == ["settle"]
    assert events(books.post(award(400), withheld)) == ["adjust#2"]
    assert books.wallet == Wallet(held_fen=400)
    assert events(books.post(award(400), Settlement(NOW))) == ["release#C"]
    assert books.post(award(400), Settlement(NOW)) == []
    assert books.wallet == Wallet(available_fen=400)


def test_a_bonus_of_nothing_settles_without_a_posting() -> None:
    books = Books()
    books.post(award(500))
    books.post(award(0))
    (entry,) = books.post(award(0), Settlement(NOW))
    assert (entry.event, entry.movements) == ("settle", ())
    books.post(award(250))
    assert books.wallet == Wallet(available_fen=250)
