"""Reconciled days, and a whole run, on each engine."""

from datetime import date, timedelta

import pytest

from fenxiao.clock import shanghai_day
from fenxiao.reconcile.model import Reconciliation, Status, Sums, Tally
from fenxiao.reconcile.run import RECONCILE_DIFFERENCE, Reconciler
from fenxiao.reconcile.store import ReconciliationNotFoundError, ReconciliationStore
from fenxiao.review.model import CaseStatus
from fenxiao.withdrawal.store import WithdrawalStore
from tests.support.engines import Engine
from tests.support.world import NOW
from tests.unit.order.shopfloor import ShopFloor
from tests.unit.reconcile.fakes import FakeBills, payment_row

DAY = date(2026, 3, 1)


def result(day: date, differences: int = 0) -> Reconciliation:
    tally = Tally(wechat=Sums(1, 10), ours=Sums(1, 10))
    return Reconciliation(
        day=day,
        reconciled_at=NOW,
        status=Status.DIFFERENCES if differences else Status.BALANCED,
        differences=differences,
        payments=tally,
        refunds=tally,
        transfers=tally,
    )


def test_day_replaces_itself_and_the_newest_is_known(engine: Engine) -> None:
    store = ReconciliationStore()
    assert store.last_day() is None
    for one in (result(DAY), result(DAY - timedelta(days=1)), result(DAY, 2)):
        store.put(one)
    assert store.get(DAY) == result(DAY, 2)
    assert store.last_day() == DAY
    with pytest.raises(ReconciliationNotFoundError):
        store.get(DAY + timedelta(days=1))


def test_two_runs_of_a_day_at_once_open_each_case_once(engine: Engine) -> None:
    floor = ShopFloor()
    floor.family()
    tea = floor.product(1000, stock=9)
    shown, _missing = floor.paid([(tea, 1)]), floor.paid([(tea, 2)])
    bills, results = FakeBills(), ReconciliationStore()
    bills.put(shanghai_day(floor.clock.now()), [payment_row(shown)])
    floor.clock.advance(days=1)
    reconciler = Reconciler(
        bills, floor.orders, WithdrawalStore(), floor.cases, results, floor.clock, timedelta(hours=48)
    )
    engine.at_once(*[reconciler.run] * 3)
    cases, _ = floor.cases.queue(RECONCILE_DIFFERENCE, CaseStatus.OPEN, 9, None)
    assert [case.facts["our_fen"] for case in cases] == [2000]
    assert results.get(DAY).payments == Tally(wechat=Sums(1, 1000), ours=Sums(2, 3000))
