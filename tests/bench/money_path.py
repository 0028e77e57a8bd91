"""Write units and throughput of the money path: the real use cases on MiniStack, whose DynamoDB counts as AWS does.

`earn_wru_single`, `earn_wru_folded`: write units per paid order with three beneficiaries, alone and in a batch of 90 on
one chain. `hot_ratio`: orders per second through the commission function, all under one promoter ÷ spread evenly, in
the same run. `order_wru_total`: everything that one order's life writes, indexes and read models included.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import batched
from pathlib import Path
from typing import Any, Final, cast

from fenxiao.aws.clients import client
from fenxiao.commission.follow import earnings
from fenxiao.commission.settlement import Settler
from fenxiao.commission.stream import follow_changes
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.items import order_item
from fenxiao.order.model import Order
from fenxiao.review.docket import Docket
from fenxiao.wechat.facts import ShippedOrder
from infra.local.emulator import start_emulator
from tests.support.engines import MINISTACK, engine_at
from tests.support.world import NOW, FrozenClock, RulesInForce, paid_order, rule_set
from tests.unit.order.shopfloor import ShippingSide, ShopFloor

_BATCH: Final = 90
_BATCHES: Final = 4
_ROUNDS: Final = 7
_INVOCATIONS: Final = 4
"""Invocations at once, as a stream with so many shards has."""
_WRITES: Final = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")

type Event = dict[str, Any]


def measure() -> dict[str, float]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as directory:
        emulator = start_emulator(Path(directory) / "files", Path(directory))
        try:
            with engine_at(MINISTACK, emulator.endpoint_url):
                return {
                    "earn_wru_single": _earn_wru([_order("single")]),
                    "earn_wru_folded": _earn_wru([_order(f"folded-{n}") for n in range(_BATCH)]),
                    "order_wru_total": _order_wru_total(),
                    "hot_ratio": _hot_ratio(),
                }
        finally:
            emulator.stop()


def _earn_wru(orders: Sequence[Order]) -> float:
    rules = RulesInForce(rule_set())
    entries = [entry for order in orders for entry in earnings(order, rules)]
    with _counted() as units:
        outcome = post_batch(LedgerStore(FrozenClock()), entries)
    if len(outcome.posted) != len(orders):
        raise RuntimeError("the batch did not post as a whole")
    return sum(units) / len(orders)


def _order_wru_total() -> float:
    """Live one order from its placing to its settlement, with every read model that follows from it."""
    floor, rules = ShopFloor(), RulesInForce(rule_set(hold_days=7))
    floor.family()
    floor.address("MD")
    product = floor.product(10_000, stock=10)
    ledger = LedgerStore(floor.clock)
    docket = Docket(floor.cases, floor.clock, timedelta(hours=48))
    settler = Settler(floor.orders, ledger, rules, StatementStore(), floor.members, _Shipping(), docket, floor.clock)
    with _counted() as units:
        order = floor.paid([(product, 1)])
        post_batch(ledger, earnings(order, rules))
        floor.received(order)
        floor.clock.advance(days=8)
        settler.run()
        journals = ledger.collection(f"order#{order.order_id}")
        for journal in journals:
            ProjectionStore().project([journal])
    if [journal.event for journal in journals] != ["earn", "settle"]:
        raise RuntimeError("the order did not settle")
    return sum(units)


class _Shipping(ShippingSide):
    """WeChat has released the funds of every order."""

    def status(self, order_id: str) -> ShippedOrder | None:
        return ShippedOrder(out_trade_no=order_id, settled_at=NOW)


def _hot_ratio() -> float:
    """Return the median over rounds, each of which measures both kinds one after the other."""
    ratios = []
    for number in range(_ROUNDS):
        hot = _per_second([_order(f"hot-{number}-{n}") for n in range(_BATCH * _BATCHES)])
        spread = [_order(f"cold-{number}-{n}", chain=_chain(n)) for n in range(_BATCH * _BATCHES)]
        ratios.append(hot / _per_second(spread))
    return statistics.median(ratios)


def _per_second(orders: Sequence[Order]) -> float:
    """Bring the orders' payments to the commission function, several invocations at once."""
    rules, ledger = RulesInForce(rule_set()), LedgerStore(FrozenClock())
    events = [_event(batch) for batch in batched(orders, _BATCH, strict=False)]

    def invoke(event: Event) -> None:
        # Payments alone ask neither the orders nor the docket of cases.
        follow_changes(event, cast("Any", None), ledger, rules, cast("Any", None))

    began = time.perf_counter()
    with ThreadPoolExecutor(_INVOCATIONS) as pool:
        list(pool.map(invoke, events))
    return len(orders) / (time.perf_counter() - began)


def _chain(number: int) -> tuple[str, str, str]:
    return f"C{number}", f"B{number}", f"A{number}"


def _order(order_id: str, chain: Sequence[str] = ("C", "B", "A")) -> Order:
    return paid_order(10_000, order_id=order_id, chain=chain)


def _event(orders: Sequence[Order]) -> Event:
    """The stream's records of the orders' payments."""
    records = []
    for order in orders:
        item = order_item(order)
        before = item.to_dynamodb_dict()
        item.payment = order.payment
        records.append({"dynamodb": {"OldImage": before, "NewImage": item.to_dynamodb_dict()}})
    return {"Records": records}


@contextmanager
def _counted() -> Iterator[list[float]]:
    """Collect the write units of every write, those of indexes included."""
    units: list[float] = []
    events = client("dynamodb").meta.events

    def ask(params: dict[str, Any], **_: object) -> None:
        params["ReturnConsumedCapacity"] = "INDEXES"

    def note(parsed: dict[str, Any], **_: object) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        each = consumed if isinstance(consumed, list) else [consumed]
        units.extend(float(one["CapacityUnits"]) for one in each)

    for operation in _WRITES:
        events.register(f"provide-client-params.dynamodb.{operation}", ask)
        events.register(f"after-call.dynamodb.{operation}", note)
    try:
        yield units
    finally:
        for operation in _WRITES:
            events.unregister(f"provide-client-params.dynamodb.{operation}", ask)
            events.unregister(f"after-call.dynamodb.{operation}", note)
