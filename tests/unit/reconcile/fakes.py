"""WeChat's bills as a test wants them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from fenxiao.order.model import Order, Refund
from fenxiao.wechat.facts import AccountMove, BilledPayment, BilledRefund, FundFlowBill, TradeBill
from fenxiao.withdrawal.model import Withdrawal


@dataclass
class FakeBills:
    """A day that nothing is put for has empty bills."""

    by_day: dict[date, TradeBill] = field(default_factory=dict)
    payouts_by_day: dict[date, FundFlowBill] = field(default_factory=dict)
    being_made: set[date] = field(default_factory=set)
    payouts_being_made: set[date] = field(default_factory=set)
    faults: list[Exception] = field(default_factory=list)
    asked: list[date] = field(default_factory=list)

    def trades(self, day: date) -> TradeBill | None:
        self.asked.append(day)
        if self.faults:
            raise self.faults.pop(0)
        return None if day in self.being_made else self.by_day.get(day, TradeBill())

    def payouts(self, day: date) -> FundFlowBill | None:
        return None if day in self.payouts_being_made else self.payouts_by_day.get(day, FundFlowBill())

    def put(
        self,
        day: date,
        payments: Sequence[BilledPayment] = (),
        refunds: Sequence[BilledRefund] = (),
        moves: Sequence[AccountMove] = (),
    ) -> None:
        self.by_day[day] = TradeBill(tuple(payments), tuple(refunds))
        self.payouts_by_day[day] = FundFlowBill(tuple(moves))


def payment_row(order: Order) -> BilledPayment:
    """Return the row of an order's payment."""
    assert order.payment is not None
    return BilledPayment(
        out_trade_no=order.order_id,
        transaction_id=order.payment.transaction_id,
        state="SUCCESS",
        amount_fen=order.total_fen,
    )


def refund_row(refund: Refund, status: str = "SUCCESS") -> BilledRefund:
    """Return the row of a refund."""
    return BilledRefund(
        out_trade_no=refund.order_id, out_refund_no=refund.refund_id, status=status, amount_fen=refund.amount_fen
    )


def payout_row(withdrawal: Withdrawal, sign: int = 1) -> AccountMove:
    """Return the movement of a withdrawal's transfer, or with the sign -1 that of its return."""
    assert withdrawal.final is not None
    return AccountMove(business="商家转账", voucher=withdrawal.withdrawal_id, out_fen=sign * withdrawal.final.net_fen)
