import pytest

from fenxiao.ledger.model import Entry, Wallet
from fenxiao.ledger.post import post
from fenxiao.order.items import RefundItem, refund_item
from fenxiao.order.model import OrderStatus, RefundStatus
from tests.support.world import NOW, refund
from tests.unit.commission.settling import Till


@pytest.fixture
def till(tables: None) -> Till:
    return Till()


@pytest.mark.rule("M17")
def test_an_order_settles_once_its_hold_has_passed(till: Till) -> None:
    order = till.received()
    assert till.run() == 0
    assert till.wallet("MC") == Wallet(held_fen=1000)
    till.clock.advance(days=7)
    for _ in range(2):
        assert till.run() == 0
    assert till.wallet("MC") == Wallet(available_fen=1000)
    assert till.order(order.order_id).status is OrderStatus.SETTLED
    assert till.due() == []


def test_one_orders_fault_holds_up_no_other_and_is_tried_again(till: Till) -> None:
    sick, healthy = till.received(), till.received()
    till.shipping.sick = sick.order_id
    assert till.run(days=7) == 1
    assert till.order(healthy.order_id).status is OrderStatus.SETTLED
    assert till.run() == 0, "it would stand before those that can be done"
    till.shipping.sick = ""
    assert till.run(minutes=15) == 0
    assert till.order(sick.order_id).status is OrderStatus.SETTLED


@pytest.mark.rule("M2", "M29")
def test_what_the_stream_missed_is_posted_before_anything_settles(till: Till) -> None:
    order = till.received(posted=False)
    refund_item(refund(order, 4_000, refund_id="R1")).save()
    assert till.run(days=7) == 0
    assert till.events(order.order_id) == ["earn", "refund#R1", "settle"]
    assert till.wallet("MC") == Wallet(available_fen=600)


@pytest.mark.rule("M2")
def test_pending_refund_keeps_an_order_from_settling(till: Till) -> None:
    order = till.received()
    pending = refund_item(refund(order, 4_000, status=RefundStatus.PENDING))
    pending.save()
    till.run(days=7)
    assert till.wallet("MC") == Wallet(held_fen=1000)
    pending.update(actions=[RefundItem.status.set(RefundStatus.FAILED)])
    till.run(hours=1)
    assert till.wallet("MC") == Wallet(available_fen=1000)


@pytest.mark.rule("M3")
def test_contradiction_posts_nothing_becomes_a_case_and_holds_up_no_other(
    till: Till, capsys: pytest.CaptureFixture[str]
) -> None:
    contradicted, healthy = till.received(posted=False), till.received()
    other = Entry(
        collection=f"order#{contradicted.order_id}",
        number=0,
        event="earn",
        cause={"order_id": "x"},
        at=NOW,
        movements=(),
    )
    assert post(till.ledger, other)
    assert till.run(days=7) == 1
    assert till.events(contradicted.order_id) == ["earn"]
    assert till.order(contradicted.order_id).status is OrderStatus.RECEIVED
    assert till.order(healthy.order_id).status is OrderStatus.SETTLED
    (case,) = till.cases("journal_contradiction")
    assert case.subject_id == f"order#{contradicted.order_id}/earn"
    assert capsys.readouterr().out.count('"JournalContradiction":[1.0]') == 1
    assert till.run(minutes=15) == 1
    assert len(till.cases("journal_contradiction")) == 1
