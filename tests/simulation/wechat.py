"""WeChat's side: what it knows is what really happened; it answers, loses answers, and tells late, twice or never."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from fenxiao.clock import Clock
from fenxiao.wechat.errors import WeChatRefusedError, WeChatUnavailableError
from fenxiao.wechat.facts import (
    Parcel,
    PaymentParameters,
    PaymentResult,
    RefundResult,
    SettlementMessage,
    ShippedOrder,
    TransferResult,
    TransferState,
)

_DENIAL: Final = timedelta(minutes=3)

type Letter = PaymentResult | RefundResult | TransferResult | SettlementMessage
"""What WeChat notifies us of."""


class BrokenPromiseError(Exception):
    """We did to WeChat what must never be done; noted as well, since callers may go on from any error."""


class Trouble(StrEnum):
    """What happens to the next call."""

    DOWN = "WeChat does not answer, and does nothing"
    LOST = "WeChat does it, and the answer is lost"


@dataclass
class Line:
    """The line to WeChat, and its letters to us."""

    clock: Clock
    tell: Callable[[str], None]
    trouble: Trouble | None = None
    lost: bool = False
    """Whether the answer to the call that is being done will be lost."""
    letters: list[Letter] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def require(self, kept: bool, promise: str) -> None:  # noqa: FBT001 - reads as a sentence
        """Hold us to a promise."""
        if not kept:
            self.broken.append(promise)
            raise BrokenPromiseError(promise)

    def now(self) -> datetime:
        """Return the time as WeChat tells it: in whole seconds."""
        return self.clock.now().replace(microsecond=0)

    @contextmanager
    def call(self, what: str) -> Iterator[None]:
        """Carry a call; the trouble of the moment happens to it, once."""
        trouble, self.trouble = self.trouble, None
        self.lost = trouble is Trouble.LOST
        if trouble is Trouble.DOWN:
            self.tell(f"{trouble} ({what})")
            raise WeChatUnavailableError
        yield
        if trouble is Trouble.LOST:
            self.tell(f"{trouble} ({what})")
            raise WeChatUnavailableError


@dataclass
class Payment:
    """A payment that WeChat was asked for."""

    terms: tuple[str, int, str, datetime]
    state: str = "NOTPAY"
    paid_at: datetime | None = None
    late: bool = False
    """Whether it was paid although WeChat had closed it."""


@dataclass
class Payments:
    """WeChat Pay, by order."""

    line: Line
    known: dict[str, Payment] = field(default_factory=dict)

    def create_prepay(self, order_id: str, description: str, total_fen: int, openid: str, expires_at: datetime) -> str:
        with self.line.call("prepay"):
            terms = (description, total_fen, openid, expires_at)
            payment = self.known.setdefault(order_id, Payment(terms))
            self.line.require(payment.terms == terms, f"{order_id} is paid on the same terms always")
            if payment.state != "NOTPAY":
                raise WeChatRefusedError("ORDERPAID" if payment.paid_at else "ORDER_CLOSED")
        return f"wx{order_id}"

    def payment_parameters(self, prepay_id: str) -> PaymentParameters:
        return PaymentParameters(
            app_id="wx", time_stamp="1", nonce_str="n", package=prepay_id, sign_type="RSA", pay_sign="s"
        )

    def query(self, order_id: str) -> PaymentResult | None:
        with self.line.call("query of a payment"):
            return self.result(order_id) if order_id in self.known else None

    def close(self, order_id: str) -> None:
        with self.line.call("close"):
            payment = self.known.get(order_id)
            if payment and payment.paid_at:
                raise WeChatRefusedError("ORDERPAID")
            if payment:
                payment.state = "CLOSED"

    def pay(self, order_id: str) -> None:
        """Let the buyer pay."""
        payment = self.known[order_id]
        payment.late = payment.state == "CLOSED"
        payment.state, payment.paid_at = "SUCCESS", self.line.now()
        self.line.letters.append(self.result(order_id))

    def result(self, order_id: str) -> PaymentResult:
        """Return a payment as WeChat tells of it."""
        payment = self.known[order_id]
        _, total_fen, openid, _ = payment.terms
        if payment.paid_at is None:
            return PaymentResult(out_trade_no=order_id, success=False, trade_state=payment.state)
        return PaymentResult(
            out_trade_no=order_id,
            success=True,
            trade_state="SUCCESS",
            transaction_id=f"4200{order_id[1:]}",
            success_time=payment.paid_at,
            payer_openid=openid,
            total_fen=total_fen,
        )


@dataclass
class Refunds:
    """WeChat Pay's refunds, by our number."""

    line: Line
    payments: Payments
    known: dict[str, RefundResult] = field(default_factory=dict)

    def request(self, refund_id: str, order_id: str, refund_fen: int, total_fen: int, reason: str) -> RefundResult:  # noqa: ARG002 - the port's form
        with self.line.call("refund"):
            known = self.known.get(refund_id)
            if known is None:
                payment = self.payments.known.get(order_id)
                paid = payment is not None and payment.paid_at is not None and payment.terms[1] == total_fen
                self.line.require(paid, f"{refund_id} refunds what was paid")
                known = RefundResult(
                    out_refund_no=refund_id, out_trade_no=order_id, status="PROCESSING", refund_fen=refund_fen
                )
                self.known[refund_id] = known
                self.line.require(
                    self.taken_fen(order_id) <= total_fen, f"{order_id} is refunded at most what was paid"
                )
            same = (known.out_trade_no, known.refund_fen) == (order_id, refund_fen)
            self.line.require(same, f"{refund_id} is asked for with the same content always")
            return self.known[refund_id]

    def query(self, refund_id: str) -> RefundResult | None:
        with self.line.call("query of a refund"):
            return self.known.get(refund_id)

    def end(self, refund_id: str, status: str) -> None:
        """Let a refund come to an end, or to a halt."""
        known = self.known[refund_id]
        self.known[refund_id] = result = RefundResult(
            out_refund_no=refund_id,
            out_trade_no=known.out_trade_no,
            status=status,
            refund_fen=known.refund_fen,
            success_time=self.line.now() if status == "SUCCESS" else None,
        )
        self.line.letters.append(result)

    def open(self) -> list[str]:
        """Return the refunds that have not ended."""
        return [number for number, one in self.known.items() if one.status in {"PROCESSING", "ABNORMAL"}]

    def taken_fen(self, order_id: str, *statuses: str) -> int:
        """Return what an order's refunds take, those of some states or all that were not closed."""
        ours = [one for one in self.known.values() if one.out_trade_no == order_id]
        return sum(one.refund_fen for one in ours if (one.status in statuses if statuses else one.status != "CLOSED"))


@dataclass
class Shipping:
    """WeChat's shipping management, which releases the funds."""

    line: Line
    known: dict[str, datetime | None] = field(default_factory=dict)

    def upload(self, parcel: Parcel) -> None:
        with self.line.call("shipping"):
            self.known.setdefault(parcel.out_trade_no, None)

    def status(self, order_id: str) -> ShippedOrder | None:
        with self.line.call("query of a shipment"):
            if order_id not in self.known:
                return None
            return ShippedOrder(out_trade_no=order_id, settled_at=self.known[order_id])

    def settle(self, order_id: str) -> None:
        """Let WeChat release an order's funds."""
        self.known[order_id] = self.line.now()
        self.line.letters.append(SettlementMessage(out_trade_no=order_id, settled_at=self.known[order_id]))


@dataclass
class Bill:
    """A transfer."""

    body: str
    amount_fen: int
    drawn_up: int
    """The number of the draft that was sent, in the order in which they were made."""
    drawn_up_at: datetime
    state: TransferState
    updated_at: datetime
    shows_from: datetime
    """WeChat may deny for a while to know what it has taken."""


@dataclass
class Transfers:
    """WeChat's merchant transfer: a number with one body is one bill, another body under it is a broken promise."""

    line: Line
    poor: bool = False
    """Whether the merchant's balance is short."""
    bills: dict[str, Bill] = field(default_factory=dict)
    drafts: list[datetime] = field(default_factory=list)

    def encrypt(self, text: str) -> str:
        return f"sealed({len(text)})"

    def build_body(self, *, out_bill_no: str, openid: str, amount_fen: int, user_name_cipher: str | None) -> str:
        self.drafts.append(self.line.clock.now())
        return json.dumps([out_bill_no, openid, amount_fen, user_name_cipher, len(self.drafts) - 1])

    def send(self, body: str) -> TransferResult:
        with self.line.call("transfer"):
            number, _, amount_fen, _, draft = json.loads(body)
            bill = self.bills.get(number)
            if bill is None and self.poor:
                raise WeChatRefusedError("NOT_ENOUGH")
            if bill is None:
                state, now = TransferState.ACCEPTED, self.line.now()
                shows_from = now + _DENIAL if self.line.lost else now
                bill = Bill(body, amount_fen, draft, self.drafts[draft], state, now, shows_from)
                self.bills[number] = bill
            self.line.require(bill.body == body, f"{number} is sent with the same body always")
            waits = bill.state is TransferState.WAIT_USER_CONFIRM
            # Only this answer carries the package, and it names no amount.
            return replace(self.result(number), amount_fen=None, package_info="package" if waits else None)

    def query(self, out_bill_no: str) -> TransferResult | None:
        with self.line.call("query of a transfer"):
            bill = self.bills.get(out_bill_no)
            return self.result(out_bill_no) if bill and bill.shows_from <= self.line.clock.now() else None

    def cancel(self, out_bill_no: str) -> None:
        with self.line.call("cancellation of a transfer"):
            if self.bills[out_bill_no].state.final:
                raise WeChatRefusedError("NOT_CANCELLABLE")
            self.move(out_bill_no, TransferState.CANCELLED)

    def move(self, number: str, state: TransferState) -> None:
        """Let a bill come to another state."""
        bill = self.bills[number]
        bill.state, bill.updated_at = state, self.line.now()
        if state.final:
            self.line.letters.append(self.result(number))

    def open(self) -> list[str]:
        """Return the bills that have not ended and that WeChat does not deny."""
        now = self.line.clock.now()
        return [number for number, bill in self.bills.items() if not bill.state.final and bill.shows_from <= now]

    def result(self, number: str) -> TransferResult:
        """Return a bill as WeChat tells of it."""
        bill = self.bills[number]
        return TransferResult(
            out_bill_no=number,
            state=bill.state,
            transfer_bill_no=f"9{number[1:]}",
            amount_fen=bill.amount_fen,
            updated_at=bill.updated_at,
        )


class WeChat:
    """All of it."""

    def __init__(self, clock: Clock, tell: Callable[[str], None]) -> None:
        """Begin with nothing known."""
        self.line = Line(clock, tell)
        self.payments = Payments(self.line)
        self.refunds = Refunds(self.line, self.payments)
        self.shipping = Shipping(self.line)
        self.transfers = Transfers(self.line)
