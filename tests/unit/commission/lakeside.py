"""A shop on moto with its order lake: orders are paid and refunded, the books and their read models follow."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from msgspec import Struct, field

from fenxiao.aws.clients import client
from fenxiao.clock import shanghai_day
from fenxiao.commission.follow import follow, settle
from fenxiao.commission.lake import LakeOrder
from fenxiao.commission.lake_store import Lake
from fenxiao.commission.plan import Settlement, collection_of
from fenxiao.commission.rules import RuleSet
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.contract import RequestRefund
from fenxiao.order.model import Order
from fenxiao.order.refunding import create_refund, record_refund
from tests.support.world import NOW, RulesInForce, rule_set
from tests.unit.order.shopfloor import ShopFloor

BUCKET: Final = "lake"
DAY: Final = shanghai_day(NOW)
EVERYTHING: Final = 1_000_000
"""More orders than any test has."""


class Lakeside(Struct):
    """The shop floor, where D buys under C, B and A, and its lake."""

    versions: tuple[RuleSet, ...] = (rule_set(),)
    floor: ShopFloor = field(default_factory=ShopFloor)

    def __post_init__(self) -> None:
        client("s3").create_bucket(Bucket=BUCKET)
        self.floor.family()

    @property
    def ledger(self) -> LedgerStore:
        return LedgerStore(self.floor.clock)

    @property
    def rules(self) -> RulesInForce:
        return RulesInForce(*self.versions)

    @property
    def lake(self) -> Lake:
        return Lake(BUCKET, self.floor.orders, StatementStore(), self.floor.clock)

    def sell(self, *price_fens: int, category: str = "tea") -> Order:
        """Let D buy products of these prices now."""
        lines = [(self.floor.product(fen, category=category), 1) for fen in price_fens]
        order = self.floor.paid(lines)
        self.follow(order)
        return order

    def refund(self, order: Order, amount_fen: int) -> None:
        request = RequestRefund(reason="破损", amount_fen=amount_fen)
        refund = create_refund(self.floor.books, order.order_id, f"refund-{amount_fen}", request)
        record_refund(self.floor.books, self.floor.refund_result(refund))
        self.follow(order)

    def settle(self, order: Order) -> None:
        """Settle an order in the books, without marking it settled."""
        settle(order.order_id, Settlement(self.floor.clock.now()), self.floor.orders, self.ledger, self.rules)
        self.follow(order)

    def follow(self, order: Order) -> None:
        follow(order.order_id, self.floor.orders, self.ledger, self.rules)
        ProjectionStore().project(self.ledger.collection(collection_of(order.order_id)))

    def exported(self, days: int = 1) -> dict[str, LakeOrder]:
        """What the lake has of the days up to today, after it was brought up to date."""
        first, last = self.today - timedelta(days=days - 1), self.today
        assert self.lake.refresh(first, last, EVERYTHING)
        found = self.lake.days(first, last)
        return {one.sale.order_id: one for day in found for one in self.lake.orders_of(day)}

    @property
    def today(self) -> date:
        return shanghai_day(self.floor.clock.now())


def objects(prefix: str = "") -> Mapping[str, bytes]:
    """What is in the bucket."""
    listed = client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {one["Key"]: client("s3").get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed}
