"""A shop in the middle of its day, under the ids that the sample events name."""

import base64
import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from msgspec.structs import replace

from fenxiao import wiring
from fenxiao.audit.model import AuditReport, Counts, Figures, Scope
from fenxiao.audit.store import AuditStore
from fenxiao.aws.clients import client
from fenxiao.catalogue.model import Product, Sku
from fenxiao.catalogue.stock import spread
from fenxiao.commission.drafts import DraftStatus
from fenxiao.commission.month import Bonus
from fenxiao.commission.month_plan import Award
from fenxiao.commission.month_result import Line, LineState, MonthResult, MonthState, View
from fenxiao.commission.month_store import MonthStore
from fenxiao.commission.store import RuleStore
from fenxiao.identity.model import PrincipalKind, Session, Staff
from fenxiao.identity.secret import TokenKeys
from fenxiao.identity.store import StaffStore
from fenxiao.ids import Kind, derived_id
from fenxiao.ledger.model import Entry, Movement, Platform, Wallet, WalletKey
from fenxiao.ledger.post import post
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.contract import PlaceOrder, WantedLine
from fenxiao.order.model import Address, Order
from fenxiao.order.payment import record_payment
from fenxiao.order.place import place
from fenxiao.reconcile.model import Reconciliation, Sums, Tally
from fenxiao.reconcile.model import Status as ReconciliationStatus
from fenxiao.reconcile.store import ReconciliationStore
from fenxiao.relation.model import Invite, Standing
from fenxiao.relation.store import InviteStore
from fenxiao.report.daily import daily_report
from fenxiao.report.store import ReportStore
from fenxiao.review.store import CaseStore
from fenxiao.withdrawal import flow
from fenxiao.withdrawal.ports import Books, Desk
from fenxiao.withdrawal.request import Request, request_withdrawal
from fenxiao.withdrawal.store import WithdrawalStore
from tests.support.drafting import saved
from tests.support.tables import template
from tests.support.world import NOW, released, rule_set
from tests.unit.order.shopfloor import ShopFloor
from tests.unit.reconcile.fakes import FakeBills
from tests.unit.withdrawal.harness import POLICY, FakeTransfers, ManualClock

ROOT: Final = Path(__file__).parents[3]
EVENTS: Final = ROOT / "events"
A, B, C, D, E = (f"M{'0' * 25}{letter}" for letter in "ABCDE")
"""A ← B ← C ← D; E is new."""
PRODUCT: Final = f"P{'0' * 25}1"
SKU: Final = f"{PRODUCT}-1"
ADDRESS: Final = "home"
INVITE: Final = "0000A00A"
SESSION: Final = "session"
"""The one session of D, and of the staff member."""
STAFF: Final = f"S{'0' * 25}1"
DRAFTS: Final = {status: f"U{'0' * 25}{number}" for number, status in enumerate([*DraftStatus][:-1], 1)}
"""The drafts of rule sets, by how far they have come."""
PLACED, PAID, SHIPPED = (derived_id(Kind.ORDER, D, f"{state}-order") for state in ("placed", "paid", "shipped"))
WITHDRAWAL, SMALL, DOUBTFUL = (derived_id(Kind.WITHDRAWAL, C, f"withdrawal-{number}") for number in (1, 2, 3))
CASE: Final = derived_id(Kind.CASE, "withdrawal", WITHDRAWAL, "1")
KEYS: Final = TokenKeys(signing_key=b"s" * 32, identity_key=b"i" * 32)


class Day:
    """What is there before an event comes."""

    def __init__(self) -> None:
        self.floor = floor = ShopFloor()
        self.transfers = FakeTransfers(ManualClock(NOW))
        self.bills = FakeBills()
        self.previews: list[str] = []
        """Months of which a preview was asked for."""
        self.ledger = LedgerStore(floor.clock)
        books = Books(WithdrawalStore(), self.ledger, CaseStore(), floor.clock, timedelta(hours=48))
        self.desk = Desk(books, floor.members, self.transfers, POLICY)
        self._people()
        self._goods()
        self._rules()
        self._orders()
        self._money()
        self._months()

    def wallet(self, member_id: str) -> Wallet:
        return self.ledger.wallet(WalletKey(member_id))

    def order(self, order_id: str) -> Order:
        return self.floor.orders.order(order_id)

    def _people(self) -> None:
        self.floor.member(A)
        self.floor.member(B, A)
        self.floor.member(C, B, A)
        self.floor.member(D, C, B, A, standing=Standing.SHOPPER)
        self.floor.member(E, standing=Standing.SHOPPER)
        invite = Invite(code=INVITE, owner_id=C, created_at=NOW, expires_at=None, max_uses=None)
        assert InviteStore().create(invite)
        StaffStore().create(Staff(staff_id=STAFF, name="财务甲", roles=("finance",), key_hash="unknown", person=None))
        for kind, subject in ((PrincipalKind.MEMBER, D), (PrincipalKind.STAFF, STAFF)):
            wiring.sessions()[kind].create(
                Session(
                    subject=subject,
                    session_id=SESSION,
                    refresh_hash="unknown",
                    created_at=NOW,
                    expires_at=NOW + timedelta(days=36_500),
                )
            )

    def _goods(self) -> None:
        product = Product(
            product_id=PRODUCT,
            title="龙井",
            category="tea",
            is_virtual=False,
            skus=(Sku(sku_id=SKU, title="一盒", price_fen=10_000),),
            stock_shards=8,
            published_at=NOW,
            on_sale=True,
        )
        self.floor.catalogue.create(product, spread(SKU, 80, 8))
        address = Address(recipient="丁", phone="13800000004", region="浙江省杭州市西湖区", street="龙井路 1 号")
        self.floor.addresses.put(D, ADDRESS, address)

    def _rules(self) -> None:
        """One version in force, another from tomorrow on."""
        tomorrow = replace(rule_set(version=2, hold_days=9), effective_from=NOW + timedelta(days=1))
        for rules in (rule_set(), tomorrow):
            RuleStore().publish(released(rules, STAFF))
        for status, draft_id in DRAFTS.items():
            saved(status, draft_id)

    def _orders(self) -> None:
        for state in ("placed", "paid", "shipped"):
            request = PlaceOrder(lines=[WantedLine(SKU, 1)], address_id=ADDRESS)
            order = place(self.floor.shop, D, f"{state}-order", request)
            if state != "placed":
                record_payment(self.floor.books, self.floor.pays(order))
            if state == "shipped":
                self.floor.shipped(order)

    def _money(self) -> None:
        fund = Entry(
            collection="order#earlier",
            number=0,
            event="earn",
            cause={"order_id": "earlier"},
            at=NOW,
            movements=(Movement(wallet=WalletKey(C), free_fen=100_000),),
            platform={Platform.COMMISSION_EXPENSE: -100_000},
            sale_fen=1_000_000,
        )
        assert post(self.ledger, fund)
        debt = Entry(
            collection="order#returned",
            number=0,
            event="refund#R1",
            cause={"order_id": "returned"},
            at=NOW,
            movements=(Movement(wallet=WalletKey(A), free_fen=-5_000),),
            platform={Platform.COMMISSION_EXPENSE: 5_000},
            may_owe=True,
        )
        assert post(self.ledger, debt)
        statements = StatementStore()
        ProjectionStore().project(self.ledger.collection("order#earlier"))
        yesterday = NOW.date() - timedelta(days=1)
        ReportStore().put(daily_report(yesterday, statements.totals(yesterday), NOW))
        nothing = Tally(wechat=Sums(), ours=Sums())
        ReconciliationStore().put(
            Reconciliation(
                day=yesterday,
                reconciled_at=NOW,
                status=ReconciliationStatus.BALANCED,
                differences=0,
                payments=nothing,
                refunds=nothing,
                transfers=nothing,
            )
        )
        AuditStore().put(
            AuditReport(
                scope=Scope(),
                started_at=NOW,
                ended_at=NOW,
                counts=Counts(journals=1),
                figures=Figures(),
                difference_count=0,
                differences=(),
            )
        )
        # A month apart, so that the sums at which reviewers look begin anew.
        for number, amount_fen, days_ago in ((1, 20_000, 62), (3, 30_000, 31), (2, 1_000, 0)):
            self.floor.clock.moment = NOW - timedelta(days=days_ago)
            request = Request(
                member_id=C, idempotency_key=f"withdrawal-{number}", amount_fen=amount_fen, payee_name=None
            )
            withdrawal = request_withdrawal(self.desk, request, KEYS.identity_key)
            if withdrawal.withdrawal_id == WITHDRAWAL:
                flow.assess_risk(self.desk, WITHDRAWAL)
        flow.await_review(self.desk.books, WITHDRAWAL, "token-of-the-withdrawal-machine")

    def _months(self) -> None:
        """February is closed: two promoters got something."""
        months, bonus = MonthStore(), Bonus(own_sales_fen=50_000, ladder_fen=500)
        awards = [Award(month="2026-02", promoter_id=one, bonus=bonus, rule_version=1) for one in (B, C)]
        months.put_lines(View.CLOSE, [Line(award, LineState.HELD) for award in awards])
        result = MonthResult(
            month="2026-02",
            view=View.CLOSE,
            state=MonthState.HELD,
            rule_version=1,
            revision=1,
            computed_at=NOW,
            on_hold=True,
            promoters=2,
            ladder_fen=1_000,
            team_bonus_fen=0,
        )
        months.put(result)


def event(name: str) -> dict[str, Any]:
    """Return a sample event."""
    loaded: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def module_of(function: str) -> ModuleType:
    """Return a function's handler module, loaded as Lambda does: by its path."""
    spec = importlib.util.spec_from_file_location(f"events_{function}", ROOT / "functions" / function / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment_of(function: str, given: dict[str, str]) -> dict[str, str]:
    """Return the settings that the template gives a function, parameters at their defaults or as given.

    What is a resource of the template is found by its own name: tables are named by their variables in tests.
    """
    data = template()
    values = {name: str(parameter.get("Default", "")) for name, parameter in data["Parameters"].items()} | given
    settings: dict[str, str] = dict(data["Globals"]["Function"]["Environment"]["Variables"])
    for resource in data["Resources"].values():
        if resource.get("Properties", {}).get("CodeUri") == f"functions/{function}/":
            settings |= resource["Properties"].get("Environment", {}).get("Variables", {})
    return {name: values[value] for name, value in settings.items() if value in values}


def secret_arn(name: str, content: str) -> str:
    """Keep a secret and return its ARN."""
    arn: str = client("secretsmanager").create_secret(Name=name, SecretString=content)["ARN"]
    return arn


def token_secret() -> str:
    """Return the token secret as an operator writes it."""
    keys = {"signing_key": KEYS.signing_key, "identity_key": KEYS.identity_key}
    return json.dumps({name: base64.b64encode(key).decode() for name, key in keys.items()})


def forget_wiring() -> None:
    """Let the next function build its own things."""
    for factory in vars(wiring).values():
        if hasattr(factory, "cache_clear"):
            factory.cache_clear()
