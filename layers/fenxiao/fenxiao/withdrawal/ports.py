"""What the withdrawal's use cases need from outside, and what they work with."""

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from fenxiao.clock import Clock
from fenxiao.ledger.errors import ContradictionError
from fenxiao.ledger.store import LedgerStore
from fenxiao.relation.model import Member
from fenxiao.wechat.facts import TransferResult
from fenxiao.withdrawal.policy import Policy
from fenxiao.withdrawal.store import WithdrawalStore

if TYPE_CHECKING:
    from fenxiao.review.store import CaseStore  # at run time only where a case is opened


class TransferPort(Protocol):
    """WeChat's merchant transfer.

    Each call raises `WeChatUnavailableError` for a fault that passes (no answer, 429, 5xx) and `WeChatRefusedError`
    with WeChat's code for a refusal.
    """

    def encrypt(self, text: str) -> str:
        """Return the text encrypted for WeChat alone."""
        ...

    def build_body(self, *, out_bill_no: str, openid: str, amount_fen: int, user_name_cipher: str | None) -> str:
        """Return the exact body of a transfer's request, to be stored before it is sent (M23)."""
        ...

    def send(self, body: str) -> TransferResult:
        """Send a stored body; the same number and body again give the same bill."""
        ...

    def query(self, out_bill_no: str) -> TransferResult | None:
        """Return the bill, `None` if WeChat does not know it."""
        ...

    def cancel(self, out_bill_no: str) -> None:
        """Ask WeChat to cancel a bill that the payee has not confirmed."""
        ...


class Members(Protocol):
    """Who the members are."""

    def get(self, member_id: str) -> Member | None:
        """Return a member, read consistently."""
        ...


class Books(Struct, frozen=True):
    """What it takes to write down a withdrawal's course and end."""

    withdrawals: WithdrawalStore
    ledger: LedgerStore
    cases: "CaseStore"
    clock: Clock
    review_time: timedelta
    """How long a round of review may take."""

    def report(self, error: ContradictionError) -> None:
        """Open a case on what contradicts the books (M3)."""
        from fenxiao.ledger.contradiction import report_contradiction
        from fenxiao.review.docket import Docket  # both needed once in a blue moon, paid for by every cold start

        report_contradiction(error, self.ledger, Docket(self.cases, self.clock, self.review_time))


class Desk(Struct, frozen=True):
    """What it takes to carry a withdrawal through."""

    books: Books
    members: Members
    transfers: TransferPort
    policy: Policy
