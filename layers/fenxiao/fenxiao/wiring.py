"""The real things, built once per process and only when a function first asks for them.

Each factory imports inside, so that a function's cold start pays for what it uses and for nothing else.
"""

from functools import cache
from typing import TYPE_CHECKING

from fenxiao.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from fenxiao.audit.run import Auditor
    from fenxiao.audit.store import AuditStore
    from fenxiao.catalogue.store import CatalogueStore
    from fenxiao.commission.close import MonthCloser
    from fenxiao.commission.draft_store import DraftStore
    from fenxiao.commission.explain_contract import Explainer
    from fenxiao.commission.lake_store import Lake
    from fenxiao.commission.month_store import MonthStore
    from fenxiao.commission.publish import RuleDesk
    from fenxiao.commission.settlement import Settler
    from fenxiao.commission.simulation_run import Simulator
    from fenxiao.commission.store import RuleStore
    from fenxiao.http.api import Principal
    from fenxiao.identity.secret import TokenKeys
    from fenxiao.identity.sessions import SessionStores
    from fenxiao.identity.store import AccountStore, StaffStore
    from fenxiao.ledger.log_store import LogKey, LogStore
    from fenxiao.ledger.projection import ProjectionStore
    from fenxiao.ledger.prove import Prover
    from fenxiao.ledger.seal import Mismatch, Sealer
    from fenxiao.ledger.statement_store import StatementStore
    from fenxiao.ledger.store import LedgerStore
    from fenxiao.ledger.write_off import Debtor
    from fenxiao.order.close import Closer
    from fenxiao.order.delivery import Dispatch
    from fenxiao.order.fulfilment import Courier
    from fenxiao.order.place import Shop
    from fenxiao.order.ports import Bookkeeper
    from fenxiao.order.prepay import Cashier
    from fenxiao.order.store import AddressStore, OrderStore
    from fenxiao.order.sweep import Sweeper as OrderSweeper
    from fenxiao.reconcile.run import Reconciler
    from fenxiao.reconcile.store import ReconciliationStore
    from fenxiao.relation.chain import BindingPolicy
    from fenxiao.relation.store import InviteStore, MemberStore, TeamStore
    from fenxiao.report.store import ReportStore
    from fenxiao.review.decisions import Effect
    from fenxiao.review.docket import Docket
    from fenxiao.review.model import Reviewer
    from fenxiao.review.store import CaseStore
    from fenxiao.wechat.bills import WeChatBills
    from fenxiao.wechat.messages import Messages
    from fenxiao.wechat.miniprogram import MiniProgram
    from fenxiao.wechat.notification import Notifications
    from fenxiao.wechat.pay import WeChatPay, WeChatRefunds
    from fenxiao.wechat.shipping import WeChatShipping
    from fenxiao.wechat.transfer import WeChatTransfers
    from fenxiao.withdrawal.ports import Books, Desk
    from fenxiao.withdrawal.store import WithdrawalStore
    from fenxiao.withdrawal.sweep import Sweeper


@cache
def clock() -> Clock:
    """Return the wall clock, or the test clock where the deployment names one."""
    import os

    from fenxiao.clock import SystemClock, TestClock

    url = os.environ.get("TEST_CLOCK_URL")
    return TestClock(url) if url else SystemClock()


# --- ledger, commission, report -------------------------------------------------------------------------------------


@cache
def ledger() -> "LedgerStore":
    """Return the ledger."""
    from fenxiao.ledger.store import LedgerStore

    return LedgerStore(clock())


@cache
def statements() -> "StatementStore":
    """Return the ledger's read models."""
    from fenxiao.ledger.statement_store import StatementStore

    return StatementStore()


@cache
def projection() -> "ProjectionStore":
    """Return the writer of the ledger's read models."""
    from fenxiao.ledger.projection import ProjectionStore

    return ProjectionStore()


@cache
def rules() -> "RuleStore":
    """Return the rule versions."""
    from fenxiao.commission.store import RuleStore

    return RuleStore(lambda: clock().now().timestamp())


@cache
def drafts() -> "DraftStore":
    """Return the drafts of rule sets."""
    from fenxiao.commission.draft_store import DraftStore

    return DraftStore()


@cache
def rule_desk() -> "RuleDesk":
    """Return where rule sets are made."""
    from fenxiao.commission.publish import RuleDesk
    from fenxiao.commission.simulation_store import SimulationStore

    return RuleDesk(rules(), drafts(), SimulationStore(), clock())


@cache
def explainer() -> "Explainer":
    """Return what explains commissions."""
    from fenxiao.commission.explain_contract import Explainer

    return Explainer(orders(), ledger(), rules())


@cache
def reports() -> "ReportStore":
    """Return the produced reports."""
    from fenxiao.report.store import ReportStore

    return ReportStore()


@cache
def settler() -> "Settler":
    """Return the settlement run."""
    from fenxiao.commission.settlement import Settler

    return Settler(orders(), ledger(), rules(), statements(), members(), shipping(), docket(), clock())


# --- months -----------------------------------------------------------------------------------------------------------


@cache
def lake() -> "Lake":
    """Return the order lake."""
    from fenxiao.commission.lake_store import Lake
    from fenxiao.config import env

    return Lake(env("LAKE_BUCKET"), orders(), statements(), clock())


@cache
def simulator() -> "Simulator":
    """Return what runs simulations."""
    from fenxiao.commission.simulation_run import Simulator
    from fenxiao.commission.tally_store import TallyStore
    from fenxiao.config import env, env_int

    tallies = TallyStore(env("LAKE_BUCKET"))
    return Simulator(rule_desk(), rules(), members(), lake(), tallies, clock(), env_int("SIMULATION_TASK_ORDERS"))


@cache
def months() -> "MonthStore":
    """Return the closed and previewed months."""
    from fenxiao.commission.month_store import MonthStore

    return MonthStore()


@cache
def month_closer() -> "MonthCloser":
    """Return the month's close."""
    from fenxiao.commission.close import MonthCloser

    return MonthCloser(
        lake(),
        statements(),
        rules(),
        members(),
        ledger(),
        months(),
        docket(),
        lambda: reconciliations().last_day(),
        clock(),
    )


def start_preview(month: str) -> None:
    """Let a month be previewed off the request's path."""
    from fenxiao.aws.functions import invoke_later
    from fenxiao.config import env

    invoke_later(env("MONTH_CLOSE_FUNCTION"), {"preview": month})


# --- evidence ---------------------------------------------------------------------------------------------------------


@cache
def sealer() -> "Sealer":
    """Return what seals the ledger's Merkle log."""
    from fenxiao.ledger.seal import Sealer

    return Sealer(projection(), _sealed_log(), _log_key(), clock(), _open_mismatch)


@cache
def prover() -> "Prover":
    """Return what proves from the sealed log."""
    from fenxiao.ledger.prove import Prover

    return Prover(ledger(), projection(), _sealed_log(), _log_key())


def _sealed_log() -> "LogStore":
    from fenxiao.config import env
    from fenxiao.ledger.log_store import LogStore

    return LogStore(env("EVIDENCE_BUCKET"))


def _log_key() -> "LogKey":
    from fenxiao.config import env
    from fenxiao.ledger.log_store import LogKey

    return LogKey(env("EVIDENCE_KEY_ARN"))


def _open_mismatch(mismatch: "Mismatch") -> None:
    from datetime import timedelta

    from fenxiao.config import env_int
    from fenxiao.ledger.seal import EVIDENCE_MISMATCH
    from fenxiao.review.cases import Matter, opened

    matter = Matter(
        kind=EVIDENCE_MISMATCH,
        subject_id=mismatch.after,
        person="",
        facts={"after": mismatch.after, "what": mismatch.what},
        required_approvals=1,
    )
    cases().open(opened(matter, clock().now(), timedelta(hours=env_int("REVIEW_HOURS"))))


@cache
def auditor() -> "Auditor":
    """Return what audits the books."""
    import time
    from datetime import timedelta

    from fenxiao.audit.run import Auditor
    from fenxiao.config import env_int

    return Auditor(
        ledger(),
        statements(),
        projection(),
        orders(),
        withdrawals(),
        rules(),
        cases(),
        clock(),
        timedelta(hours=env_int("REVIEW_HOURS")),
        time.sleep,
    )


@cache
def audits() -> "AuditStore":
    """Return the audits' reports."""
    from fenxiao.audit.store import AuditStore

    return AuditStore()


# --- identity, relation ---------------------------------------------------------------------------------------------


@cache
def wall_clock() -> Clock:
    """Return the wall clock, on which tokens live even where business time is moved."""
    from fenxiao.clock import SystemClock

    return SystemClock()


def token_keys() -> "TokenKeys":
    """Return the keys of tokens and of personal data; not cached here, so that a rotation is seen."""
    from fenxiao.aws.secrets import secret
    from fenxiao.identity.secret import TokenKeys

    return secret("TOKEN_SECRET_ARN", TokenKeys)


@cache
def sessions() -> "SessionStores":
    """Return the sessions of customers and of staff."""
    from fenxiao.identity.model import PrincipalKind
    from fenxiao.identity.store import MemberSessionItem, SessionStore, StaffSessionItem

    return {
        PrincipalKind.MEMBER: SessionStore(MemberSessionItem),
        PrincipalKind.STAFF: SessionStore(StaffSessionItem),
    }


@cache
def accounts() -> "AccountStore":
    """Return the members as persons."""
    from fenxiao.identity.store import AccountStore

    return AccountStore()


@cache
def staff() -> "StaffStore":
    """Return the staff."""
    from fenxiao.identity.store import StaffStore

    return StaffStore()


@cache
def members() -> "MemberStore":
    """Return the members as the relation chain knows them."""
    from fenxiao.relation.store import MemberStore

    return MemberStore()


@cache
def invites() -> "InviteStore":
    """Return the invites."""
    from fenxiao.relation.store import InviteStore

    return InviteStore()


@cache
def teams() -> "TeamStore":
    """Return the teams."""
    from fenxiao.relation.store import TeamStore

    return TeamStore()


@cache
def binding_policy() -> "BindingPolicy":
    """Return what the deployment decides about bindings."""
    from fenxiao.config import env, env_int, max_levels
    from fenxiao.relation.chain import BindingPolicy
    from fenxiao.relation.model import BindingMode

    return BindingPolicy(mode=BindingMode(env("BINDING_MODE")), days=env_int("BINDING_DAYS"), max_levels=max_levels())


# --- withdrawal, review ---------------------------------------------------------------------------------------------


@cache
def withdrawals() -> "WithdrawalStore":
    """Return the withdrawals."""
    from fenxiao.withdrawal.store import WithdrawalStore

    return WithdrawalStore()


@cache
def cases() -> "CaseStore":
    """Return the cases."""
    from fenxiao.review.store import CaseStore

    return CaseStore()


@cache
def docket() -> "Docket":
    """Return where cases are opened."""
    from datetime import timedelta

    from fenxiao.config import env_int
    from fenxiao.review.docket import Docket

    return Docket(cases(), clock(), timedelta(hours=env_int("REVIEW_HOURS")))


def case_effects() -> "Mapping[str, Effect]":
    """Return what the outcome of a case means, by its kind; kinds without an entry mean nothing but themselves."""
    from fenxiao.ledger.write_off import WRITE_OFF, carry_out

    return {WRITE_OFF: lambda case: carry_out(ledger(), case)}


def debtor(member_id: str) -> "Debtor":
    """Return a member as one whose debt may be forgiven."""
    from fenxiao.identity.person import tax_person
    from fenxiao.ledger.write_off import Debtor

    return Debtor(member_id, tax_person(member_id, token_keys().identity_key))


@cache
def withdrawal_books() -> "Books":
    """Return what it takes to write down a withdrawal's course and end."""
    from datetime import timedelta

    from fenxiao.config import env_int
    from fenxiao.withdrawal.ports import Books

    return Books(withdrawals(), ledger(), cases(), clock(), timedelta(hours=env_int("REVIEW_HOURS")))


@cache
def withdrawal_desk() -> "Desk":
    """Return what it takes to carry a withdrawal through."""
    from fenxiao.config import env, env_int
    from fenxiao.withdrawal.policy import Policy
    from fenxiao.withdrawal.ports import Desk
    from fenxiao.withdrawal.tax import TaxMethod

    policy = Policy(
        min_fen=env_int("WITHDRAWAL_MIN_FEN"),
        max_fen=env_int("WITHDRAWAL_MAX_FEN"),
        fee_bps=env_int("WITHDRAWAL_FEE_BPS"),
        auto_approve_fen=env_int("AUTO_APPROVE_FEN"),
        second_review_fen=env_int("SECOND_REVIEW_FEN"),
        tax_method=TaxMethod(env("TAX_METHOD")),
    )
    return Desk(withdrawal_books(), members(), transfers(), policy)


@cache
def withdrawal_sweeper() -> "Sweeper":
    """Return the withdrawal sweep."""
    from fenxiao.withdrawal.sweep import Sweeper

    return Sweeper(withdrawal_desk(), start_withdrawal, start_review)


def reviewer(principal: "Principal") -> "Reviewer":
    """Return the staff member who asks, as one who decides."""
    from fenxiao.errors import UnauthenticatedError
    from fenxiao.http.api import Role
    from fenxiao.review.model import Reviewer

    found = staff().get(principal.id)
    if found is None:
        raise UnauthenticatedError
    return Reviewer(staff_id=found.staff_id, person=found.person, is_lead=Role.FINANCE_LEAD in principal.roles)


def start_withdrawal(name: str, data: "Mapping[str, object]") -> None:
    """Start an execution of the withdrawal machine."""
    from fenxiao.aws.stepfunctions import start
    from fenxiao.config import env

    start(env("WITHDRAWAL_MACHINE_ARN"), name, data)


def start_simulation(name: str, data: "Mapping[str, object]") -> None:
    """Start an execution of the simulation machine."""
    from fenxiao.aws.stepfunctions import start
    from fenxiao.config import env

    start(env("SIMULATION_MACHINE_ARN"), name, data)


def start_review(name: str, data: "Mapping[str, object]") -> None:
    """Start an execution of the review machine."""
    from fenxiao.aws.stepfunctions import start
    from fenxiao.config import env

    start(env("MANUAL_REVIEW_MACHINE_ARN"), name, data)


# --- WeChat ---------------------------------------------------------------------------------------------------------


@cache
def pay() -> "WeChatPay":
    """Return payments at WeChat."""
    from fenxiao.wechat.pay import WeChatPay
    from fenxiao.wechat.settings import wechat_settings

    return WeChatPay(wechat_settings)


@cache
def refunds() -> "WeChatRefunds":
    """Return refunds at WeChat."""
    from fenxiao.wechat.pay import WeChatRefunds
    from fenxiao.wechat.settings import wechat_settings

    return WeChatRefunds(wechat_settings)


@cache
def transfers() -> "WeChatTransfers":
    """Return transfers to promoters' WeChat balances."""
    from fenxiao.config import env
    from fenxiao.wechat.settings import wechat_settings
    from fenxiao.wechat.transfer import TransferTerms, WeChatTransfers

    terms = TransferTerms(scene_id=env("TRANSFER_SCENE_ID"), job=env("TRANSFER_JOB"), remark=env("TRANSFER_REMARK"))
    return WeChatTransfers(wechat_settings, terms)


@cache
def bills() -> "WeChatBills":
    """Return WeChat's daily bills."""
    from fenxiao.wechat.bills import WeChatBills
    from fenxiao.wechat.settings import wechat_settings

    return WeChatBills(wechat_settings)


@cache
def shipping() -> "WeChatShipping":
    """Return WeChat's shipping management."""
    from fenxiao.wechat.settings import wechat_settings
    from fenxiao.wechat.shipping import WeChatShipping

    return WeChatShipping(wechat_settings, clock())


@cache
def notifications() -> "Notifications":
    """Return what opens WeChat Pay's notifications."""
    from fenxiao.wechat.notification import Notifications
    from fenxiao.wechat.settings import wechat_settings

    return Notifications(wechat_settings)


@cache
def mini_program() -> "MiniProgram":
    """Return the mini-program's server side."""
    from fenxiao.wechat.miniprogram import MiniProgram
    from fenxiao.wechat.settings import wechat_settings

    return MiniProgram(wechat_settings)


@cache
def messages() -> "Messages":
    """Return what opens the mini-program's message push."""
    from fenxiao.wechat.messages import Messages
    from fenxiao.wechat.settings import wechat_settings

    return Messages(wechat_settings)


# --- reconcile ------------------------------------------------------------------------------------------------------


@cache
def reconciliations() -> "ReconciliationStore":
    """Return the reconciled days."""
    from fenxiao.reconcile.store import ReconciliationStore

    return ReconciliationStore()


@cache
def reconciler() -> "Reconciler":
    """Return the reconciliation run."""
    from datetime import timedelta

    from fenxiao.config import env_int
    from fenxiao.reconcile.run import Reconciler

    review_time = timedelta(hours=env_int("REVIEW_HOURS"))
    return Reconciler(bills(), orders(), withdrawals(), cases(), reconciliations(), clock(), review_time)


# --- catalogue, order -----------------------------------------------------------------------------------------------


@cache
def catalogue() -> "CatalogueStore":
    """Return the products and their stock."""
    from fenxiao.catalogue.store import CatalogueStore

    return CatalogueStore()


@cache
def orders() -> "OrderStore":
    """Return the orders and their refunds."""
    from fenxiao.order.store import OrderStore

    return OrderStore()


@cache
def addresses() -> "AddressStore":
    """Return the members' addresses."""
    from fenxiao.order.store import AddressStore

    return AddressStore()


@cache
def shop() -> "Shop":
    """Return what it takes to place an order."""
    from fenxiao.config import env_int
    from fenxiao.order.place import Shop

    return Shop(
        orders(),
        addresses(),
        catalogue(),
        members(),
        binding_policy(),
        clock(),
        _time_to_pay(),
        env_int("FREIGHT_FEN"),
    )


@cache
def cashier() -> "Cashier":
    """Return what it takes to ask for a payment."""
    from fenxiao.order.prepay import Cashier

    return Cashier(orders(), pay(), clock(), _time_to_pay())


@cache
def bookkeeper() -> "Bookkeeper":
    """Return what it takes to take in what WeChat reports of payments and refunds."""
    from datetime import timedelta

    from fenxiao.config import env_int
    from fenxiao.order.ports import Bookkeeper

    return Bookkeeper(orders(), members(), cases(), clock(), timedelta(hours=env_int("REVIEW_HOURS")))


@cache
def closer() -> "Closer":
    """Return what it takes to close an order."""
    from fenxiao.order.close import Closer

    return Closer(bookkeeper(), pay())


@cache
def dispatch() -> "Dispatch":
    """Return what it takes to ship."""
    from datetime import timedelta

    from fenxiao.config import env_int
    from fenxiao.order.delivery import Dispatch

    return Dispatch(orders(), clock(), timedelta(days=env_int("AUTO_RECEIVE_DAYS")))


@cache
def courier() -> "Courier":
    """Return the order stream's way to WeChat."""
    from fenxiao.order.fulfilment import Courier

    return Courier(bookkeeper(), refunds(), shipping())


@cache
def order_sweeper() -> "OrderSweeper":
    """Return the sweep of the orders."""
    from fenxiao.order.sweep import Sweeper

    return Sweeper(closer(), refunds())


def _time_to_pay() -> "timedelta":
    from datetime import timedelta

    from fenxiao.config import env_int

    return timedelta(minutes=env_int("ORDER_TTL_MINUTES"))
