import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from fenxiao.aws.clients import client
from fenxiao.commission.store import RuleStore
from fenxiao.commission.stream import follow_changes
from fenxiao.ledger.model import WalletKey
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.items import order_item, refund_item
from fenxiao.order.model import Order, OrderStatus, RefundStatus
from fenxiao.order.store import OrderStore
from fenxiao.review.docket import Docket
from fenxiao.review.model import Case, CaseStatus
from fenxiao.review.store import CaseStore
from tests.support.world import FrozenClock, paid_order, refund, released, rule_set

pytestmark = [pytest.mark.usefixtures("tables"), pytest.mark.moto]
CLOCK = FrozenClock()
LEDGER = LedgerStore(CLOCK)


@pytest.fixture
def queue_url(monkeypatch: pytest.MonkeyPatch) -> str:
    url: str = client("sqs").create_queue(QueueName="parked")["QueueUrl"]
    monkeypatch.setenv("PARKED_QUEUE_URL", url)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "commission")
    return url


@pytest.fixture
def rules() -> RuleStore:
    store = RuleStore()
    store.publish(released(rule_set()))
    return store


def payment(order: Order) -> dict[str, Any]:
    """Return the stream record of an order's payment."""
    placed, paid = order_item(replace(order, status=OrderStatus.PLACED)), order_item(order)
    paid.payment = order.payment
    return {"dynamodb": {"OldImage": placed.serialize(), "NewImage": paid.serialize()}}


def refunded(order: Order, *line_fens: int) -> dict[str, Any]:
    """Return the stream record of WeChat's success of a refund, which the table holds."""
    pending, done = refund(order, *line_fens, status=RefundStatus.PENDING), refund(order, *line_fens)
    old, new = refund_item(pending), refund_item(done)
    new.ended_at = done.ended_at
    new.save()
    return {"dynamodb": {"OldImage": old.serialize(), "NewImage": new.serialize()}}


def deliver(event: dict[str, Any], rules: RuleStore) -> None:
    follow_changes(event, OrderStore(), LEDGER, rules, Docket(CaseStore(), CLOCK, timedelta(hours=48)))


def contradictions() -> list[Case]:
    """The open cases on contradictions."""
    return CaseStore().queue("journal_contradiction", CaseStatus.OPEN, 9, None)[0]


def parked(queue_url: str) -> list[dict[str, Any]]:
    answer = client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_batch_of_payments_earns_and_comes_again_without_effect(queue_url: str, rules: RuleStore) -> None:
    event = {"Records": [payment(paid_order(10_000, order_id=f"T{i}")) for i in range(3)]}
    for _ in range(2):
        deliver(event, rules)
    assert LEDGER.wallet(WalletKey("C")).held_fen == 3_000
    assert parked(queue_url) == []


def test_only_the_record_that_can_never_succeed_is_parked(queue_url: str, rules: RuleStore) -> None:
    good, contradicted = paid_order(10_000, order_id="T1"), paid_order(10_000, order_id="T2")
    broken = payment(paid_order(10_000, order_id="T3"))
    broken["dynamodb"]["NewImage"]["lines"] = {"S": "no lines"}
    deliver({"Records": [payment(contradicted)]}, rules)
    other = replace(contradicted, lines=paid_order(20_000).lines)
    event = {"Records": [payment(other), broken, payment(good)]}
    deliver(event, rules)
    assert LEDGER.wallet(WalletKey("C")).held_fen == 2_000
    reasons = sorted(message["reason"].partition(":")[0] for message in parked(queue_url))
    assert reasons == ["ContradictionError", "DecodeError"]


@pytest.mark.rule("M3")
def test_contradiction_of_an_earning_posts_nothing_and_becomes_a_case_once(
    queue_url: str, rules: RuleStore, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = [paid_order(10_000, order_id=f"T{i}") for i in range(3)]
    deliver({"Records": [payment(orders[1])]}, rules)
    standing = LEDGER.collection("order#T1")
    orders[1] = replace(orders[1], lines=paid_order(20_000).lines)
    event = {"Records": [payment(order) for order in orders]}
    deliver(event, rules)
    assert LEDGER.collection("order#T1") == standing
    assert LEDGER.wallet(WalletKey("C")).held_fen == 3_000, "the others are posted"
    assert [message["reason"] for message in parked(queue_url)] == ["ContradictionError: order#T1 earn"]
    assert capsys.readouterr().out.count('"JournalContradiction":[1.0]') == 1
    deliver(event, rules)
    (case,) = contradictions()
    assert case.subject_id == "order#T1/earn"
    assert case.facts["standing_hash"] == standing[0].hash != case.facts["contradicting_hash"]
    assert (case.facts["collection"], case.facts["number"], case.facts["event"]) == ("order#T1", 0, "earn")


@pytest.mark.rule("M3")
def test_contradiction_of_a_refund_posts_nothing_and_becomes_a_case(queue_url: str, rules: RuleStore) -> None:
    order = paid_order(10_000)
    item = order_item(order)
    item.payment = order.payment
    item.save()
    deliver({"Records": [payment(order), refunded(order, 3_000)]}, rules)
    before = LEDGER.collection("order#T1")
    assert LEDGER.wallet(WalletKey("C")).held_fen == 700
    deliver({"Records": [refunded(order, 4_000)]}, rules)
    assert LEDGER.collection("order#T1") == before
    assert [message["reason"] for message in parked(queue_url)] == ["ContradictionError: order#T1 refund#R1"]
    (case,) = contradictions()
    assert (case.subject_id, case.facts["number"]) == ("order#T1/refund#R1", 1)


def test_a_passing_fault_brings_the_whole_batch_again(
    queue_url: str, rules: RuleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("fenxiao.commission.stream.post_batch", refuse)
    event = {"Records": [payment(paid_order(10_000))]}
    with pytest.raises(ConnectionError):
        deliver(event, rules)
    assert parked(queue_url) == []
    monkeypatch.setattr("fenxiao.commission.stream.post_batch", post_batch)
    deliver(event, rules)
    assert LEDGER.wallet(WalletKey("C")).held_fen == 1_000
