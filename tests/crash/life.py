"""One order's whole life, in a form that may stop anywhere and be lived again from the start, as in production: clients
ask again under the same key, WeChat tells again, streams deliver again, sweepers run again.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, cast

from fenxiao.audit.model import AuditReport, Scope
from fenxiao.audit.run import Auditor
from fenxiao.commission.settlement import Settler
from fenxiao.commission.stream import follow_changes
from fenxiao.ledger.model import TaxClass, Wallet, WalletKey
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore, journal_from_image
from fenxiao.order.contract import RequestRefund
from fenxiao.order.delivery import confirm_receipt
from fenxiao.order.model import Order, OrderStatus, RefundStatus
from fenxiao.order.payment import record_payment
from fenxiao.order.refunding import create_refund, record_refund
from fenxiao.review.docket import Docket
from fenxiao.wechat.facts import ShippedOrder, TransferState
from fenxiao.withdrawal import flow
from fenxiao.withdrawal.finish import transfer_ended
from fenxiao.withdrawal.model import Status
from fenxiao.withdrawal.ports import Books, Desk
from fenxiao.withdrawal.request import Request, request_withdrawal
from fenxiao.withdrawal.store import WithdrawalStore
from tests.support.memory_engine import MemoryEngine
from tests.support.memory_engine.streams import Record, stream_event
from tests.support.world import NOW, RulesInForce, rule_set
from tests.unit.order.shopfloor import ShippingSide, ShopFloor
from tests.unit.withdrawal.harness import KEY, POLICY, FakeTransfers

REVIEW_TIME: Final = timedelta(hours=48)
WITHDRAWN_FEN: Final = 800


class Shipping(ShippingSide):
    """WeChat releases the funds of every order at once."""

    def status(self, order_id: str) -> ShippedOrder | None:
        return ShippedOrder(out_trade_no=order_id, settled_at=NOW)


class Life:
    """D buys of C, under whom are B and A: paid, refunded in part, settled, withdrawn, refunded again after that."""

    def __init__(self, engine: MemoryEngine) -> None:
        self.engine = engine
        self.floor = floor = ShopFloor()
        self.rules = RulesInForce(rule_set(cashback_bps=100))
        self.ledger = LedgerStore(floor.clock)
        self.docket = Docket(floor.cases, floor.clock, REVIEW_TIME)
        self.settler = Settler(
            floor.orders,
            self.ledger,
            self.rules,
            StatementStore(),
            floor.members,
            Shipping(),
            self.docket,
            floor.clock,
        )
        self.transfers = FakeTransfers(cast("Any", floor.clock))
        self.books = Books(WithdrawalStore(), self.ledger, floor.cases, floor.clock, REVIEW_TIME)
        self.desk = Desk(self.books, floor.members, self.transfers, POLICY)
        self._delivered = {"ORDER_TABLE": 0, "LEDGER_TABLE": 0}
        floor.family()
        self.tea = floor.product(10_000, stock=10)

    def live(self) -> None:
        """Do everything that is not done yet."""
        order = self._bought()
        self._refunded(order, "before-settlement", 1_500)
        self._settled(order)
        self._withdrawn()
        self._refunded(order, "after-settlement", 4_000)
        self._swept()

    def wallets(self) -> dict[str, Wallet]:
        """The wallets of all who have one."""
        keys = {member_id: WalletKey(member_id) for member_id in ("MA", "MB", "MC")}
        keys["rebate of MD"] = WalletKey("MD", TaxClass.REBATE)
        return {name: self.ledger.wallet(key) for name, key in keys.items()}

    def journals(self) -> dict[str, list[str]]:
        """The events of all collections."""
        found: dict[str, list[str]] = {}
        for record in self.engine.stream:
            journal = journal_from_image(record.new) if record.table == "LEDGER_TABLE" and record.new else None
            if journal:
                found.setdefault(journal.collection, []).append(journal.event)
        return found

    def audit(self) -> AuditReport:
        """Compare everything."""
        self.floor.clock.advance(hours=1)
        auditor = Auditor(
            self.ledger,
            StatementStore(),
            ProjectionStore(),
            self.floor.orders,
            self.books.withdrawals,
            self.rules,
            self.floor.cases,
            self.floor.clock,
            REVIEW_TIME,
            lambda _: None,
        )
        return auditor.run(Scope())

    def _bought(self) -> Order:
        order = self.floor.place([(self.tea, 1)], key="the-order")
        if order.payment is None:
            known = self.floor.wechat.payments.get(order.order_id)
            order = record_payment(self.floor.books, known or self.floor.pays(order))
        self._deliver()
        return self.floor.orders.order(order.order_id)

    def _refunded(self, order: Order, key: str, amount_fen: int) -> None:
        request = RequestRefund(reason="破损", amount_fen=amount_fen)
        refund = create_refund(self.floor.books, order.order_id, key, request)
        if refund.status is RefundStatus.PENDING:
            record_refund(self.floor.books, self.floor.refund_result(refund))
        self._deliver()

    def _settled(self, order: Order) -> None:
        if self.floor.orders.order(order.order_id).status is OrderStatus.PAID:
            self.floor.shipped(order)
        confirm_receipt(self.floor.orders, "MD", order.order_id, self.floor.clock.now())
        if self.floor.orders.order(order.order_id).status is not OrderStatus.SETTLED:
            self.floor.clock.advance(days=8)
        assert self.settler.run() == 0
        self._deliver()

    def _withdrawn(self) -> None:
        request = Request(member_id="MC", idempotency_key="the-withdrawal", amount_fen=WITHDRAWN_FEN, payee_name=None)
        withdrawal = request_withdrawal(self.desk, request, KEY)
        number = withdrawal.withdrawal_id
        if not withdrawal.status.ended:
            flow.assess_risk(self.desk, number)
            flow.prepare(self.desk, number)
            flow.create(self.desk, number)
            bill = self.transfers.bills[number]
            success = bill if bill.state.final else self.transfers.end(number, TransferState.SUCCESS)
            transfer_ended(self.books, success)
        assert self.books.withdrawals.get(number).status is Status.PAID
        self._deliver()

    def _swept(self) -> None:
        self.floor.clock.advance(hours=1)
        assert self.settler.run() == 0
        self._deliver()

    def _deliver(self) -> None:
        """Deliver what the streams hold; what was not taken comes again."""

        def projected(event: Any) -> None:
            journals = [journal_from_image(one["dynamodb"]["NewImage"]) for one in event["Records"]]
            ProjectionStore().project([journal for journal in journals if journal])

        def followed(event: Any) -> None:
            follow_changes(event, self.floor.orders, self.ledger, self.rules, self.docket)

        self._hand_over("ORDER_TABLE", followed, lambda _: True)
        self._hand_over("LEDGER_TABLE", projected, lambda record: record.old is None)

    def _hand_over(self, table: str, consume: Callable[[Any], None], wanted: Callable[[Record], bool]) -> None:
        records = [record for record in self.engine.stream if record.table == table]
        fresh = records[self._delivered[table] :]
        if batch := [record for record in fresh if wanted(record)]:
            consume(stream_event(batch))
        self._delivered[table] = len(records)
