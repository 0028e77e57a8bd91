"""A shop on moto, with WeChat played by fakes that remember, lose answers and refuse as told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from fenxiao.aws.clients import client
from fenxiao.aws.dynamodb import Transaction
from fenxiao.catalogue.contract import NewProduct, NewSku
from fenxiao.catalogue.model import Product
from fenxiao.catalogue.publish import create_product
from fenxiao.catalogue.store import CatalogueStore
from fenxiao.order.addresses import add_address
from fenxiao.order.close import Closer
from fenxiao.order.contract import NewAddress, PlaceOrder, WantedLine
from fenxiao.order.delivery import Dispatch, receive, ship
from fenxiao.order.fulfilment import Courier
from fenxiao.order.model import Order, Refund
from fenxiao.order.payment import record_payment
from fenxiao.order.place import Shop, place
from fenxiao.order.ports import Bookkeeper
from fenxiao.order.prepay import Cashier, prepay
from fenxiao.order.store import AddressStore, OrderStore
from fenxiao.order.sweep import Sweeper
from fenxiao.relation.chain import BindingPolicy
from fenxiao.relation.model import BindingMode, Hop, Member, Standing, StandingChange
from fenxiao.relation.store import MemberStore, put_member
from fenxiao.review.model import Case, CaseStatus
from fenxiao.review.store import CaseStore
from fenxiao.wechat.errors import WeChatRefusedError, WeChatUnavailableError
from fenxiao.wechat.facts import Parcel, PaymentParameters, PaymentResult, RefundResult, ShippedOrder
from tests.support.world import NOW

REVIEW_TIME = timedelta(hours=48)
TIME_TO_PAY = timedelta(minutes=30)
RECEIVE_AFTER = timedelta(days=10)


@dataclass
class HandClock:
    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def advance(self, **time: float) -> None:
        self.moment += timedelta(**time)


@dataclass
class WeChatSide:
    """What WeChat holds of payments: one `PaymentResult` per order that it heard of."""

    payments: dict[str, PaymentResult] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    terms: dict[str, tuple[object, ...]] = field(default_factory=dict)
    lose_answers: int = 0

    def create_prepay(self, order_id: str, description: str, total_fen: int, openid: str, expires_at: datetime) -> str:
        self.asked.append(("prepay", order_id))
        terms = (description, total_fen, openid, expires_at)
        assert self.terms.setdefault(order_id, terms) == terms, "WeChat refuses a number with another content"
        known = self.payments.get(order_id)
        if known and known.trade_state != "NOTPAY":
            raise WeChatRefusedError("ORDERPAID" if known.success else "ORDER_CLOSED")
        self.payments[order_id] = PaymentResult(out_trade_no=order_id, success=False, trade_state="NOTPAY")
        self._maybe_lose()
        return f"wx{order_id}"

    def payment_parameters(self, prepay_id: str) -> PaymentParameters:
        return PaymentParameters(
            app_id="wxapp",
            time_stamp="1",
            nonce_str="n",
            package=f"prepay_id={prepay_id}",
            sign_type="RSA",
            pay_sign="s",
        )

    def query(self, order_id: str) -> PaymentResult | None:
        self.asked.append(("query", order_id))
        return self.payments.get(order_id)

    def close(self, order_id: str) -> None:
        self.asked.append(("close", order_id))
        known = self.payments.get(order_id)
        if known and known.success:
            raise WeChatRefusedError("ORDERPAID")
        if known:
            self.payments[order_id] = replace(known, trade_state="CLOSED")

    def _maybe_lose(self) -> None:
        if self.lose_answers:
            self.lose_answers -= 1
            raise WeChatUnavailableError


@dataclass
class RefundSide:
    refunds: dict[str, RefundResult] = field(default_factory=dict)
    asked: list[tuple[str, str, str, int, int, str]] = field(default_factory=list)
    answer: str = "PROCESSING"
    refusal: Exception | None = None

    def request(self, refund_id: str, order_id: str, refund_fen: int, total_fen: int, reason: str) -> RefundResult:
        if self.refusal:
            raise self.refusal
        self.asked.append(("request", refund_id, order_id, refund_fen, total_fen, reason))
        return self.refunds.setdefault(
            refund_id,
            RefundResult(out_refund_no=refund_id, out_trade_no=order_id, status=self.answer, refund_fen=refund_fen),
        )

    def query(self, refund_id: str) -> RefundResult | None:
        return self.refunds.get(refund_id)


@dataclass
class ShippingSide:
    uploaded: list[Parcel] = field(default_factory=list)
    refusal: Exception | None = None

    def upload(self, parcel: Parcel) -> None:
        if self.refusal:
            raise self.refusal
        self.uploaded.append(parcel)

    def status(self, order_id: str) -> ShippedOrder | None:
        return ShippedOrder(out_trade_no=order_id, settled_at=None)


class ShopFloor:
    """The order room with all that surrounds it; `buyer` has the uplines C, B and A."""

    def __init__(self, freight_fen: int = 0, mode: BindingMode = BindingMode.PERMANENT) -> None:
        self.clock = HandClock()
        self.orders = OrderStore()
        self.catalogue = CatalogueStore()
        self.members = MemberStore()
        self.addresses = AddressStore()
        self.wechat = WeChatSide()
        self.refund_side = RefundSide()
        self.shipping = ShippingSide()
        policy = BindingPolicy(mode=mode, days=30, max_levels=3)
        self.shop = Shop(
            self.orders,
            self.addresses,
            self.catalogue,
            self.members,
            policy,
            self.clock,
            TIME_TO_PAY,
            freight_fen,
        )
        self.cashier = Cashier(self.orders, self.wechat, self.clock, TIME_TO_PAY)
        self.cases = CaseStore()
        self.books = Bookkeeper(self.orders, self.members, self.cases, self.clock, REVIEW_TIME)
        self.closer = Closer(self.books, self.wechat)
        self.dispatch = Dispatch(self.orders, self.clock, RECEIVE_AFTER)
        self.courier = Courier(self.books, self.refund_side, self.shipping)
        self.sweeper = Sweeper(self.closer, self.refund_side)
        self._keys = 0

    def member(self, member_id: str, *uplines: str, standing: Standing = Standing.PROMOTER) -> str:
        """Put a member whose line is made of the uplines, nearest first."""
        transaction = Transaction()
        change = StandingChange(since=NOW - timedelta(days=1), standing=standing)
        put_member(
            transaction,
            Member(
                member_id=member_id,
                openid=f"openid-{member_id}",
                joined_at=NOW - timedelta(days=2),
                line=tuple(Hop(member_id=upline) for upline in uplines),
                standings=(change,),
            ),
        )
        transaction.commit()
        return member_id

    def family(self) -> str:
        """Put A, B under A, C under B and the buyer D under C; return D."""
        self.member("MA")
        self.member("MB", "MA")
        self.member("MC", "MB", "MA")
        return self.member("MD", "MC", "MB", "MA", standing=Standing.SHOPPER)

    def address(self, member_id: str = "MD") -> str:
        request = NewAddress(recipient="丁", phone="13800000004", region="浙江省杭州市西湖区", street="龙井路 1 号")
        return add_address(self.addresses, member_id, request).address_id

    def product(
        self, price_fen: int = 1000, stock: int = 10, *, category: str = "tea", is_virtual: bool = False
    ) -> Product:
        sku = NewSku(title="一盒", price_fen=price_fen, stock=stock)
        request = NewProduct(title="龙井", category=category, skus=[sku], is_virtual=is_virtual)
        return create_product(request, self.catalogue, self.clock)

    def left(self, product: Product) -> int:
        return sum(self.catalogue.available(product.skus[0].sku_id).values())

    def place(self, lines: Sequence[tuple[Product, int]], member_id: str = "MD", key: str | None = None) -> Order:
        if key is None:
            self._keys += 1
            key = f"key-{self._keys:05d}"
        wanted = [WantedLine(product.skus[0].sku_id, quantity) for product, quantity in lines]
        return place(self.shop, member_id, key, PlaceOrder(lines=wanted, address_id=self.address(member_id)))

    def pays(self, order: Order, **changes: Any) -> PaymentResult:
        """Let the buyer pay at WeChat; return what WeChat tells of it, with the given lies."""
        result = PaymentResult(
            out_trade_no=order.order_id,
            success=True,
            trade_state="SUCCESS",
            transaction_id=f"4200{order.order_id[-10:]}",
            success_time=self.clock.now(),
            payer_openid=order.openid,
            total_fen=order.total_fen,
        )
        self.wechat.payments[order.order_id] = result = replace(result, **changes)
        return result

    def paid(self, lines: Sequence[tuple[Product, int]], member_id: str = "MD") -> Order:
        """Place and pay an order, all the way over the prepay and the notification."""
        order = self.place(lines, member_id)
        prepay(self.cashier, member_id, order.order_id)
        return record_payment(self.books, self.pays(order))

    def mismatches(self, kind: str) -> list[Case]:
        """Return the open cases on what WeChat reports and does not agree."""
        cases, _ = self.cases.queue(kind, CaseStatus.OPEN, 10, None)
        return cases

    def shipped(self, order: Order) -> Order:
        return ship(self.dispatch, order.order_id, "SF", "SF1234567890")

    def received(self, order: Order) -> Order:
        self.shipped(order)
        return receive(self.orders, order.order_id, self.clock.now())

    def refund_result(self, refund: Refund, status: str = "SUCCESS", **changes: Any) -> RefundResult:
        result = RefundResult(
            out_refund_no=refund.refund_id,
            out_trade_no=refund.order_id,
            status=status,
            refund_fen=refund.amount_fen,
            success_time=self.clock.now() if status == "SUCCESS" else None,
        )
        return replace(result, **changes)


def meanwhile(
    patch: pytest.MonkeyPatch, owner: type, method: str, rival: Callable[[], object], *, after: bool = False
) -> None:
    """Let a rival act once, just before (or after) the next call of a method."""
    real = getattr(owner, method)
    waiting = [rival]

    def call(self: object, *args: Any) -> Any:
        result = real(self, *args) if after and waiting else None
        act = waiting.pop() if waiting else None
        if act:
            act()
        return result if after and act else real(self, *args)

    patch.setattr(owner, method, call)


def raw(pk: str, sk: str) -> dict[str, Any]:
    """Return an item as a stream carries it."""
    item: dict[str, Any] = client("dynamodb").get_item(TableName="ORDER_TABLE", Key={"pk": {"S": pk}, "sk": {"S": sk}})[
        "Item"
    ]
    return item


def stream_event(*images: tuple[dict[str, Any] | None, dict[str, Any] | None]) -> dict[str, Any]:
    """Return a stream event of changes, each an old and a new image."""
    records = []
    for old, new in images:
        body = {"OldImage": old, "NewImage": new}
        records.append({"dynamodb": {name: image for name, image in body.items() if image}})
    return {"Records": records}
