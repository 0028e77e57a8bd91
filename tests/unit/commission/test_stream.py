import json
from typing import Any

import pytest
from msgspec.structs import replace

from fenxiao.aws.clients import client
from fenxiao.commission.store import RuleStore
from fenxiao.commission.stream import follow_changes
from fenxiao.ledger.model import WalletKey
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.items import order_item
from fenxiao.order.model import Order, OrderStatus
from fenxiao.order.store import OrderStore
from tests.support.world import paid_order, released, rule_set

pytestmark = pytest.mark.usefixtures("tables")


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


def parked(queue_url: str) -> list[dict[str, Any]]:
    answer = client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_batch_of_payments_earns_and_comes_again_without_effect(queue_url: str, rules: RuleStore) -> None:
    event = {"Records": [payment(paid_order(10_000, order_id=f"T{i}")) for i in range(3)]}
    for _ in range(2):
        follow_changes(event, OrderStore(), LedgerStore(), rules)
    assert LedgerStore().wallet(WalletKey("C")).held_fen == 3_000
    assert parked(queue_url) == []


def test_only_the_record_that_can_never_succeed_is_parked(queue_url: str, rules: RuleStore) -> None:
    good, contradicted = paid_order(10_000, order_id="T1"), paid_order(10_000, order_id="T2")
    broken = payment(paid_order(10_000, order_id="T3"))
    broken["dynamodb"]["NewImage"]["lines"] = {"S": "no lines"}
    follow_changes({"Records": [payment(contradicted)]}, OrderStore(), LedgerStore(), rules)
    other = replace(contradicted, lines=paid_order(20_000).lines)
    event = {"Records": [payment(other), broken, payment(good)]}
    follow_changes(event, OrderStore(), LedgerStore(), rules)
    assert LedgerStore().wallet(WalletKey("C")).held_fen == 2_000
    reasons = sorted(message["reason"].partition(":")[0] for message in parked(queue_url))
    assert reasons == ["ContradictionError", "DecodeError"]


def test_a_passing_fault_brings_the_whole_batch_again(
    queue_url: str, rules: RuleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("fenxiao.commission.stream.post_batch", refuse)
    event = {"Records": [payment(paid_order(10_000))]}
    with pytest.raises(ConnectionError):
        follow_changes(event, OrderStore(), LedgerStore(), rules)
    assert parked(queue_url) == []
    monkeypatch.setattr("fenxiao.commission.stream.post_batch", post_batch)
    follow_changes(event, OrderStore(), LedgerStore(), rules)
    assert LedgerStore().wallet(WalletKey("C")).held_fen == 1_000
