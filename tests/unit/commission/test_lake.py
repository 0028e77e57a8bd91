"""The lake has what became of the paid orders, and is exported anew exactly where their books have moved."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from fenxiao.aws.clients import client
from fenxiao.commission import lake as lake_module
from fenxiao.commission.lake import LakeDay
from fenxiao.commission.lake_store import LakeDayItem, LakeMovedError, months
from fenxiao.errors import BusyError
from fenxiao.order.close import cancel
from fenxiao.order.model import Denial
from fenxiao.order.payment import record_payment
from fenxiao.order.store import OrderStore
from tests.support.world import NOW
from tests.unit.commission.lakeside import BUCKET, DAY, EVERYTHING, Lakeside, objects

pytestmark = [pytest.mark.usefixtures("tables"), pytest.mark.moto]


@pytest.fixture
def shop() -> Lakeside:
    return Lakeside()


def day_of(shop: Lakeside) -> LakeDay:
    (day,) = shop.lake.days(DAY, DAY)
    return day


def test_paid_orders_are_exported_with_what_is_left_of_their_lines(shop: Lakeside) -> None:
    whole, part = shop.sell(1_000), shop.sell(3_000, 2_000)
    shop.refund(part, 500)
    found = shop.exported()
    assert {order_id: one.left_fens for order_id, one in found.items()} == {
        whole.order_id: (1_000,),
        part.order_id: (2_700, 1_800),
    }
    assert [place.member_id for place in found[whole.order_id].sale.chain] == ["MC", "MB", "MA"]
    assert found[whole.order_id].sale.paid_at == NOW


@pytest.mark.rule("M31")
def test_lake_holds_no_personal_data(shop: Lakeside) -> None:
    shop.sell(1_000)
    shop.exported()
    (content,) = objects().values()
    for personal in ("openid", "13800000004", "丁", "龙井路"):
        assert personal.encode() not in content


@pytest.mark.rule("M20")
def test_payment_that_came_too_late_is_left_out(shop: Lakeside) -> None:
    kept = shop.sell(1_000)
    late = shop.floor.place([(shop.floor.product(9_000), 1)])
    cancel(shop.floor.closer, late.member_id, late.order_id)
    record_payment(shop.floor.books, shop.floor.pays(late))
    assert shop.exported().keys() == {kept.order_id}


@pytest.mark.rule("M16")
def test_order_whose_commissions_were_rejected_is_marked(shop: Lakeside) -> None:
    order = shop.sell(1_000)
    shop.floor.orders.deny(order.order_id, Denial(case_id="C1", at=NOW))
    shop.follow(order)
    assert shop.exported()[order.order_id].denied


def test_day_that_has_not_moved_is_not_exported_again(shop: Lakeside) -> None:
    shop.sell(1_000)
    shop.exported()
    before = day_of(shop)
    shop.floor.clock.advance(minutes=5)
    shop.exported()
    assert day_of(shop) == before


def test_refund_has_its_day_exported_again(shop: Lakeside) -> None:
    order = shop.sell(1_000)
    shop.exported()
    before = day_of(shop)
    shop.floor.clock.advance(days=3)
    shop.refund(order, 400)
    assert shop.exported(days=4)[order.order_id].left_fens == (600,)
    assert day_of(shop).revision > before.revision


def test_crash_before_the_day_is_noted_only_exports_it_again(shop: Lakeside, monkeypatch: pytest.MonkeyPatch) -> None:
    order = shop.sell(1_000)
    with monkeypatch.context() as crashing:
        crashing.setattr(LakeDayItem, "save", lambda _: (_ for _ in ()).throw(ConnectionError))
        with pytest.raises(ConnectionError):
            shop.lake.refresh(DAY, DAY, EVERYTHING)
    assert shop.lake.days(DAY, DAY) == []
    assert shop.exported().keys() == {order.order_id}


def test_day_is_cut_into_parts_and_loses_those_that_it_does_not_have_any_more(
    shop: Lakeside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_module, "MAX_PART_ORDERS", 2)
    sold = {shop.sell(1_000 + number).order_id for number in range(5)}
    assert shop.exported().keys() == sold
    assert [part.orders for part in day_of(shop).parts] == [2, 2, 1]
    assert list(objects()) == [f"orders/{DAY}/{number:04d}.jsonl" for number in range(3)]
    monkeypatch.setattr(lake_module, "MAX_PART_ORDERS", 5)
    sold.add(shop.sell(2_000).order_id)
    assert shop.exported().keys() == sold
    assert list(objects()) == [f"orders/{DAY}/{number:04d}.jsonl" for number in range(2)]


def test_equal_orders_make_equal_parts(shop: Lakeside) -> None:
    for fen in (1_000, 2_000, 3_000):
        shop.sell(fen)
    shop.exported()
    before = dict(objects())
    LakeDayItem(f"lake#{DAY:%Y-%m}", DAY.isoformat()).delete()
    shop.exported()
    assert objects() == before


@pytest.mark.parametrize("gone", [False, True])
def test_part_that_is_not_as_it_was_listed_is_not_taken(shop: Lakeside, *, gone: bool) -> None:
    shop.sell(1_000)
    shop.exported()
    listed = day_of(shop)
    if gone:
        client("s3").delete_object(Bucket=BUCKET, Key=listed.parts[0].key)
    else:
        shop.sell(2_000)
        shop.exported()
    with pytest.raises(LakeMovedError):
        list(shop.lake.orders_of(listed))


def test_refresh_stops_after_so_many_orders_and_goes_on_from_there(shop: Lakeside) -> None:
    for _ in range(3):
        shop.sell(1_000)
        shop.sell(2_000)
        shop.floor.clock.advance(days=1)
    last = DAY + timedelta(days=2)
    assert not shop.lake.refresh(DAY, last, 3)
    assert [one.day for one in shop.lake.days(DAY, last)] == [DAY, DAY + timedelta(days=1)]
    assert shop.lake.refresh(DAY, last, 3)
    assert [one.orders for one in shop.lake.days(DAY, last)] == [2, 2, 2]


def test_days_outside_the_period_are_left_alone(shop: Lakeside) -> None:
    shop.sell(1_000)
    assert shop.lake.refresh(DAY + timedelta(days=1), DAY + timedelta(days=40), EVERYTHING)
    assert objects() == {}


def test_settled_mark_that_follows_its_journal_is_found(shop: Lakeside) -> None:
    order = shop.sell(1_000)
    shop.floor.received(order)
    shop.settle(order)
    assert not shop.exported()[order.order_id].settled, "the books have it settled, the order not yet"
    now = shop.floor.clock.now()
    shop.floor.orders.mark_settled(order.order_id, now)
    assert not shop.exported()[order.order_id].settled, "no revision tells of the mark"
    shop.floor.clock.advance(minutes=1)
    asked_at = shop.floor.clock.now()
    shop.lake.refresh(DAY, DAY, EVERYTHING, settled_since=asked_at)
    assert shop.exported()[order.order_id].settled
    exported = day_of(shop)
    shop.floor.clock.advance(minutes=1)
    shop.lake.refresh(DAY, DAY, EVERYTHING, settled_since=shop.floor.clock.now())
    assert day_of(shop) == exported, "all its orders are marked"


def test_day_whose_index_is_behind_its_journals_is_tried_again(shop: Lakeside, monkeypatch: pytest.MonkeyPatch) -> None:
    order = shop.sell(1_000)

    def nothing_yet(_self: OrderStore, _day: date) -> Iterator[str]:
        return iter(())

    with monkeypatch.context() as lagging:
        lagging.setattr(OrderStore, "paid_on", nothing_yet)
        with pytest.raises(BusyError):
            shop.lake.refresh(DAY, DAY, EVERYTHING)
    assert shop.exported().keys() == {order.order_id}


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (date(2026, 3, 5), date(2026, 3, 5), ["2026-03"]),
        (date(2025, 11, 30), date(2026, 2, 1), ["2025-11", "2025-12", "2026-01", "2026-02"]),
    ],
)
def test_months_of_a_period(first: date, last: date, expected: list[str]) -> None:
    assert months(first, last) == expected
