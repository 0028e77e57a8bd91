"""A shop whose orders settle: WeChat has released every order's funds, the read models follow the books."""

from datetime import timedelta

from fenxiao.commission.follow import follow
from fenxiao.commission.plan import collection_of
from fenxiao.commission.rules import RuleSet
from fenxiao.commission.settlement import Settler
from fenxiao.ledger.model import Journal, TaxClass, Wallet, WalletKey
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.delivery import confirm_receipt
from fenxiao.order.model import Order, Work
from fenxiao.order.store import DueOrder
from fenxiao.relation.model import Standing
from fenxiao.relation.standing import set_standing
from fenxiao.review.decisions import decide
from fenxiao.review.docket import Docket
from fenxiao.review.model import Case, CaseStatus, Reviewer, Verdict
from fenxiao.wechat.facts import ShippedOrder
from tests.support.world import NOW, RulesInForce, rule_set
from tests.unit.order.shopfloor import REVIEW_TIME, ShippingSide, ShopFloor

LEAD = Reviewer(staff_id="S1", person=None, is_lead=True)


class Shipping(ShippingSide):
    """WeChat has released the funds of every order, except that it fails for the sick one."""

    sick = ""

    def status(self, order_id: str) -> ShippedOrder | None:
        if order_id == self.sick:
            raise RuntimeError("no answer that anybody understands")
        return ShippedOrder(out_trade_no=order_id, settled_at=NOW)


class Till:
    """The shop floor with its settlement run."""

    def __init__(self, *versions: RuleSet) -> None:
        self.floor = ShopFloor()
        self.floor.family()
        self.orders, self.clock = self.floor.orders, self.floor.clock
        self.ledger = LedgerStore(self.clock)
        self.shipping = Shipping()
        self.docket = Docket(self.floor.cases, self.clock, REVIEW_TIME)
        self.settler = Settler(
            self.orders,
            self.ledger,
            RulesInForce(*(versions or (rule_set(),))),
            StatementStore(),
            self.floor.members,
            self.shipping,
            self.docket,
            self.clock,
        )

    def received(self, price_fen: int = 10_000, *, posted: bool = True) -> Order:
        """An order of D that C, B and A earn on, received now."""
        order = self.floor.paid([(self.floor.product(price_fen), 1)])
        if posted:
            self.post(order.order_id)
        self.floor.shipped(order)
        return confirm_receipt(self.orders, "MD", order.order_id, self.clock.now())

    def post(self, order_id: str) -> None:
        """Post what an order's events need, and let the read models follow."""
        follow(order_id, self.orders, self.ledger, self.settler.rules)
        self.project(order_id)

    def project(self, order_id: str) -> None:
        ProjectionStore().project(self.journals(order_id))

    def run(self, **later: float) -> int:
        """Let time pass, then settle what is due; return the faults."""
        self.clock.advance(**later)
        return self.settler.run()

    def decide(self, case_id: str, verdict: Verdict) -> None:
        case = self.docket.cases.file(case_id).case
        decide(self.docket.cases, LEAD, case_id, case.round, verdict, "看过了", self.clock)

    # --- what is there

    def journals(self, order_id: str) -> list[Journal]:
        return self.ledger.collection(collection_of(order_id))

    def events(self, order_id: str) -> list[str]:
        return [journal.event for journal in self.journals(order_id)]

    def wallet(self, member_id: str, tax_class: TaxClass = TaxClass.COMMISSION) -> Wallet:
        return self.ledger.wallet(WalletKey(member_id, tax_class))

    def order(self, order_id: str) -> Order:
        return self.orders.order(order_id)

    def cases(self, kind: str, status: CaseStatus = CaseStatus.OPEN) -> list[Case]:
        return self.docket.cases.queue(kind, status, 99, None)[0]

    def due(self) -> list[DueOrder]:
        """What waits for its settlement, whenever that is."""
        return list(self.orders.due(Work.SETTLE, self.clock.now() + timedelta(days=999), 99))

    def set_standing(self, member_id: str, standing: Standing) -> None:
        set_standing(member_id, standing, "S1", "测试", self.floor.members, self.clock)
