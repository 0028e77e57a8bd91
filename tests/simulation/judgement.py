"""The end of a history: what is in the books and at WeChat against what the model says must be there."""

from collections import Counter
from typing import Final

from fenxiao import wiring
from fenxiao.audit.model import Scope
from fenxiao.ledger.model import Platform
from fenxiao.order.model import Order, OrderStatus, RefundStatus
from fenxiao.wechat.facts import TransferState
from fenxiao.withdrawal.model import Status, Withdrawal
from tests.simulation.facts import Asked, Sold
from tests.simulation.model import Account, Expected, PaidOrder, Payout, expected, total
from tests.simulation.setting import STOCK, product_id
from tests.simulation.watch import Collection, Watch
from tests.simulation.world import AUTO_APPROVE_FEN, SECOND_REVIEW_FEN, World, WrongError

_UNWANTED_CASES: Final = frozenset(
    {"payment_mismatch", "refund_mismatch", "transfer_mismatch", "transfer_contradiction", "journal_contradiction"}
)
_EMPTY: Final = Collection()


def judge(world: World, watch: Watch) -> None:
    """Compare everything.

    Raises:
        WrongError: something is not as it must be.
    """
    orders = {order_id: wiring.orders().order(order_id) for order_id in world.facts.sold}
    paid = [_paid_order(world, sold, orders[order_id]) for order_id, sold in world.facts.sold.items()]
    wanted = expected(world.facts, [one for one in paid if one], _payouts(world))
    _judge_orders(world, watch, wanted, orders)
    _judge_firsts(world, orders)
    _judge_refunds(world)
    _judge_withdrawals(world, wanted)
    forgiven = _forgiven(watch)
    _judge_wallets(world, watch, wanted, forgiven)
    _judge_platform(world, watch, wanted, forgiven)
    _judge_stock(world, orders)
    _judge_statements(world, watch)
    _judge_cases(world)


def audit() -> None:
    """Let the product's own audit look: it must find what the model finds, nothing.

    Raises:
        WrongError: it finds a difference.
    """
    report = wiring.auditor().run(Scope())
    _require(not report.difference_count, f"the audit finds {report.differences[:3]}")


def _paid_order(world: World, sold: Sold, order: Order) -> PaidOrder | None:
    """Return an order that earns: WeChat was paid, and it was not closed before that was known."""
    payment = world.wechat.payments.known.get(sold.order_id)
    if payment is None or payment.paid_at is None:
        _require(order.status is OrderStatus.CLOSED, f"{sold.name} was never paid and is {order.status}")
        return None
    if order.closed_at is not None:
        closed_at = order.closed_at.replace(microsecond=0)
        _require(closed_at <= payment.paid_at, f"{sold.name} was paid at {payment.paid_at}, and closed after that")
        refunded_fen = world.wechat.refunds.taken_fen(sold.order_id, "SUCCESS")
        _require(refunded_fen == order.total_fen, f"{sold.name}, paid after its close, is refunded {refunded_fen} fen")
        return None
    _require(order.payment is not None, f"{sold.name} was paid, and we do not know it")
    left = [line.paid_fen for line in sold.lines]
    for refund_id, (order_id, line_fens) in world.facts.refunds.items():
        if order_id == sold.order_id and world.wechat.refunds.known[refund_id].status == "SUCCESS":
            left = [before - taken for before, taken in zip(left, line_fens, strict=True)]
    if order.denial:
        case = wiring.cases().file(order.denial.case_id).case
        _require(case.status == "rejected", f"{sold.name} is denied by a case that was {case.status}")
    first = order.payment is not None and order.payment.first_order
    return PaidOrder(sold, payment.paid_at, tuple(left), first, denied=order.denial is not None)


def _payouts(world: World) -> list[Payout]:
    bills = world.wechat.transfers.bills
    done = [number for number, bill in bills.items() if bill.state is TransferState.SUCCESS]
    done.sort(key=lambda number: bills[number].drawn_up)
    return [Payout(world.facts.asked[number], bills[number].drawn_up_at, bills[number].updated_at) for number in done]


def _judge_orders(world: World, watch: Watch, wanted: Expected, orders: dict[str, Order]) -> None:
    for order_id, sold in world.facts.sold.items():
        collection = watch.collections.get(f"order#{order_id}", _EMPTY)
        shares, order = wanted.orders.get(order_id), orders[order_id]
        given = collection.shares()
        _require(
            given == (shares or Counter()),
            f"{sold.name} gave {_named(world, given)}, not {_named(world, shares or Counter())}",
        )
        if shares is None:
            _require(not collection.events, f"{sold.name} has journals {collection.events}")
            continue
        _require("earn" in collection.events, f"{sold.name} never earned")
        left_fen = sum(line.left_fen for line in order.lines)
        if order.shipment and left_fen:
            _require(order.status is OrderStatus.SETTLED, f"{sold.name} was shipped and is {order.status}")
        settled = "settle" in collection.events
        for account in given:
            held_fen = collection.held(account)
            if not settled:
                _require(held_fen == given[account], f"{sold.name} is not settled, and {account} has more than held")
            elif world.facts.people[account[0]].standings[-1][1] != "suspended":
                _require(held_fen == 0, f"{sold.name} is settled, and still holds {held_fen} of {account}")
            elif _withheld(world, account, order):
                _require(held_fen == given[account], f"{sold.name} settled for {account}, who is suspended")


def _withheld(world: World, account: Account, order: Order) -> bool:
    """Tell whether a member was suspended, for good, before the order could settle at all."""
    since = world.facts.people[account[0]].standings[-1][0]
    return order.received_at is not None and since <= order.received_at


def _judge_firsts(world: World, orders: dict[str, Order]) -> None:
    for member_id, person in world.facts.people.items():
        ours = [order for order in orders.values() if order.member_id == member_id and order.payment]
        firsts = [order.order_id for order in ours if order.payment and order.payment.first_order]
        any_earns = any(order.payment and order.payment.earns for order in ours)
        _require(len(firsts) == any_earns, f"{person.name} has {len(firsts)} first orders")


def _judge_refunds(world: World) -> None:
    for order_id, sold in world.facts.sold.items():
        order, refunds = wiring.orders().order_with_refunds(order_id)
        for refund in refunds:
            known = world.wechat.refunds.known.get(refund.refund_id)
            wanted = RefundStatus.SUCCEEDED if known and known.status == "SUCCESS" else RefundStatus.FAILED
            _require(known is not None, f"WeChat was never asked for a refund of {sold.name}")
            _require(refund.status is wanted, f"a refund of {sold.name} is {refund.status}, WeChat: {known}")
        taken_fen = world.wechat.refunds.taken_fen(order_id, "SUCCESS")
        noted_fen = sum(line.refunded_fen for line in order.lines)
        pending_fen = sum(line.refund_pending_fen for line in order.lines)
        _require(
            (noted_fen, pending_fen) == (taken_fen, 0), f"{sold.name}: {noted_fen} and {pending_fen}, not {taken_fen}"
        )


def _judge_withdrawals(world: World, wanted: Expected) -> None:
    for withdrawal_id, asked in world.facts.asked.items():
        withdrawal = wiring.withdrawals().get(withdrawal_id)
        bill = world.wechat.transfers.bills.get(withdrawal_id)
        paid = bill is not None and bill.state is TransferState.SUCCESS
        _require(
            withdrawal.status is (Status.PAID if paid else Status.RETURNED),
            f"{asked.name} is {withdrawal.status}, WeChat: {bill}",
        )
        if bill and paid:
            net_fen = wanted.net_fens[withdrawal_id]
            _require(bill.amount_fen == net_fen, f"{asked.name} was paid {bill.amount_fen} fen, not {net_fen}")
        _judge_review(asked, withdrawal)
        payee = wiring.withdrawals().payee(withdrawal.person)
        _require(payee.in_flight is None, f"{asked.name}'s payee has something in flight")
    unknown = world.wechat.transfers.bills.keys() - world.facts.asked.keys()
    _require(not unknown, f"WeChat was asked to transfer {unknown}")


def _judge_review(asked: Asked, withdrawal: Withdrawal) -> None:
    """Whatever became of the rest, an amount above the thresholds is paid if so many people approved, and only then."""
    case = wiring.cases().get(withdrawal.case_id) if withdrawal.case_id else None
    needed = 2 if asked.amount_fen > SECOND_REVIEW_FEN else 1 if asked.amount_fen > AUTO_APPROVE_FEN else 0
    if withdrawal.status is Status.PAID:
        _require(bool(case) or not needed, f"{asked.name} was paid without a case")
        enough = case is None or (case.status == "approved" and case.required_approvals >= needed)
        _require(enough, f"{asked.name} was paid, its case is {case}")


def _forgiven(watch: Watch) -> Counter[Account]:
    """Return what approved cases forgave: at most what they say, and only debt."""
    sums: Counter[Account] = Counter()
    for name, collection in watch.collections.items():
        if name.startswith("writeoff#"):
            case = wiring.cases().file(name.removeprefix("writeoff#")).case
            shares = collection.shares()
            most_fen = case.facts["amount_fen"]
            _require(case.status == "approved", f"{name} was {case.status}")
            _require(isinstance(most_fen, int) and sum(shares.values()) <= most_fen, f"{name} forgave {shares}")
            _require(
                all(set(buckets) <= {"debt"} for buckets in collection.given.values()), f"{name} gave more than debt"
            )
            sums.update(shares)
    return sums


def _judge_wallets(world: World, watch: Watch, wanted: Expected, forgiven: Counter[Account]) -> None:
    earned = total(wanted.orders)
    for account in {*watch.wallets, *earned, *world.facts.given}:
        is_, whose = watch.wallets[account], f"the wallet of {world.name(account[0])} ({account[1]})"
        _require(is_["reserved"] == 0, f"{whose} still reserves {is_['reserved']}")
        net_fen = is_["held"] + is_["available"] - is_["debt"]
        must_fen = earned[account] + world.facts.given.get(account, 0) - wanted.paid_out[account] + forgiven[account]
        _require(net_fen == must_fen, f"{whose} comes to {net_fen} fen, not {must_fen}: {dict(is_)}")


def _judge_platform(world: World, watch: Watch, wanted: Expected, forgiven: Counter[Account]) -> None:
    must = Counter(wanted.platform)
    must["commission_expense"] -= sum(world.facts.given.values())
    must["written_off"] -= sum(forgiven.values())
    is_ = {account: fen for account, fen in watch.platform.items() if fen}
    _require(
        is_ == {account: fen for account, fen in must.items() if fen}, f"the merchant's accounts are {is_}, not {must}"
    )
    at_wechat = sum(bill.amount_fen for bill in world.wechat.transfers.bills.values() if bill.state == "SUCCESS")
    _require(watch.platform["paid_out"] == at_wechat, f"WeChat paid out {at_wechat}")


def _judge_stock(world: World, orders: dict[str, Order]) -> None:
    taken: Counter[str] = Counter()
    for order_id, sold in world.facts.sold.items():
        if orders[order_id].status is not OrderStatus.CLOSED:
            taken.update(dict(sold.pieces))
    for number in range(4):
        sku_id = f"{product_id(number)}-1"
        left = sum(wiring.catalogue().available(sku_id).values())
        _require(left == STOCK - taken[sku_id], f"{left} of {sku_id} are left, not {STOCK - taken[sku_id]}")


def _judge_statements(world: World, watch: Watch) -> None:
    """The read model says of everybody what their wallet says."""
    sums: dict[Account, Counter[str]] = {}
    items = [(place[1], item) for place, item in world.images().items() if place[0] == "STATEMENT_TABLE"]
    for pk, item in items:
        if pk.startswith("statement#"):
            buckets = sums.setdefault((pk.removeprefix("statement#"), item["tax_class"]["S"]), Counter())
            buckets.update({name: int(item[f"{name}_fen"]["N"]) for name in ("held", "available", "reserved", "debt")})
    for account, buckets in watch.wallets.items():
        is_ = {name: fen for name, fen in sums.get(account, Counter()).items() if fen}
        must = {name: fen for name, fen in buckets.items() if fen}
        _require(is_ == must, f"the statement of {world.name(account[0])} ({account[1]}) comes to {is_}, not {must}")
    days = [item for pk, item in items if pk.startswith("day#")]
    for account_name in Platform:
        fen = sum(int(item.get(f"{account_name}_fen", {"N": "0"})["N"]) for item in days)
        must_fen = watch.platform[account_name]
        _require(fen == must_fen, f"all days' {account_name} comes to {fen} fen, not {must_fen}")
    size = wiring.projection().log_size()
    journals = sum(len(one.events) for one in watch.collections.values())
    _require(size == journals, f"the log has {size} leaves, there are {journals} journals")


def _judge_cases(world: World) -> None:
    seen = {place[1] for place in world.images() if place[0] == "CASE_TABLE"}
    for case_id in seen:
        case = wiring.cases().get(case_id)
        _require(case is None or case.kind not in _UNWANTED_CASES, f"a case was opened: {case}")


def _named(world: World, shares: Counter[Account]) -> dict[str, int]:
    return {f"{world.name(member_id)} {tax_class}": fen for (member_id, tax_class), fen in shares.items()}


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise WrongError(otherwise)
