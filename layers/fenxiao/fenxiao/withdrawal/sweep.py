"""The sweeper: finds what events missed (M29), asks WeChat about transfers that have not ended (M22, M23)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from fenxiao.observability import count, logger
from fenxiao.review.cases import Matter, case_id, opened
from fenxiao.review.decisions import look_after
from fenxiao.review.dispatch import Start
from fenxiao.review.model import Case, CaseStatus
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.wechat.facts import TransferState
from fenxiao.withdrawal.errors import TransferUnsettledError
from fenxiao.withdrawal.finish import next_question, transfer_ended
from fenxiao.withdrawal.flow import STALL_TIME, confirmable, send_or_ask
from fenxiao.withdrawal.model import Status, Transfer, Withdrawal
from fenxiao.withdrawal.ports import Desk
from fenxiao.withdrawal.store import Work

STALLED: Final = "transfer_stalled"
"""The kind of case on a transfer that WeChat still does not know after 72 hours."""

_PAGE: Final = 50
"""Items taken from each shard and run; what is left is taken by the next run."""
_DELIVERY_TIME: Final = timedelta(minutes=5)
_LOOK_IN_ON_REVIEW: Final = timedelta(minutes=15)
_RESTART_WAIT: Final = timedelta(minutes=10)
_MAX_RESTART_WAIT: Final = timedelta(hours=6)
_QUERY_WINDOW: Final = timedelta(days=30)
"""So long WeChat can be asked about a bill."""
_LEADS_AFTER: Final = timedelta(days=20)
"""Well before the window ends, a bill's case goes to the leads at once (M23)."""
_CANCELLABLE: Final = frozenset({TransferState.ACCEPTED, TransferState.PROCESSING, TransferState.WAIT_USER_CONFIRM})


class Sweeper(Struct, frozen=True):
    """What the sweep works with."""

    desk: Desk
    start_withdrawal: Start
    start_review: Start

    def run(self) -> int:
        """Do everything that is due; return how many items could not be done because of a fault.

        A fault of one item is logged and counted, and the item put off, so that it does not hold up the others.
        """
        books, now = self.desk.books, self.desk.books.clock.now()
        faults = 0
        for work, do in ((Work.STUCK, self._restart), (Work.TRANSFER, self._ask)):
            for one in books.withdrawals.due(work, now, _PAGE):
                if not _tried(work, one, lambda: do(one, now)):  # noqa: B023 - called at once, here and below
                    faults += 1
                    _tried(work, one, lambda: self._put_off(one, now + _RESTART_WAIT))  # noqa: B023
        for one in books.cases.due(now, _PAGE):
            if not _tried("case", one, lambda: self._look_after_case(one, now)):  # noqa: B023
                faults += 1
                _tried("case", one, lambda: self._put_off_case(one, now + _RESTART_WAIT))  # noqa: B023
        return faults

    def _restart(self, withdrawal_id: str, now: datetime) -> None:
        """Start another execution of a withdrawal that none carries on: every step skips what is done."""
        withdrawal = self.desk.books.withdrawals.get(withdrawal_id)
        if withdrawal.transfer or withdrawal.status.ended:
            return
        if withdrawal.status is Status.IN_REVIEW and not self._undelivered(withdrawal, now):
            self._put_off(withdrawal_id, now + _LOOK_IN_ON_REVIEW)
            return
        attempt = withdrawal.attempt + 1
        due_at = now + min(_RESTART_WAIT * attempt, _MAX_RESTART_WAIT)

        def restarted(one: Withdrawal) -> Withdrawal:
            return one if one.transfer or one.status.ended else replace(one, attempt=attempt, due_at=due_at)

        # Written before the start: what the execution itself writes of its next turn must stand.
        self.desk.books.withdrawals.change(withdrawal_id, restarted)
        name = f"{withdrawal_id}-{withdrawal.attempt}" if withdrawal.attempt else withdrawal_id
        self.start_withdrawal(name, {"withdrawal_id": withdrawal_id})
        count("WithdrawalRestarted")

    def _undelivered(self, withdrawal: Withdrawal, now: datetime) -> bool:
        """Tell whether the review is over and the machine should have heard of it."""
        case = self.desk.books.cases.get(withdrawal.case_id or "")
        return case is not None and case.closed_at is not None and case.closed_at + _DELIVERY_TIME <= now

    def _ask(self, withdrawal_id: str, now: datetime) -> None:
        """Ask WeChat about a transfer; one that it does not know is sent again, or becomes a case."""
        withdrawal = self.desk.books.withdrawals.get(withdrawal_id)
        transfer = withdrawal.transfer
        if transfer is None or withdrawal.status.ended:
            return
        found = self.desk.transfers.query(withdrawal_id)
        if found is None:
            self._send_again(withdrawal, transfer, now)
            return
        after = transfer_ended(self.desk.books, confirmable(self.desk, transfer, found))
        stall = self._stall_case(withdrawal_id, transfer)
        if not after.status.ended and found.state in _CANCELLABLE and _rejected(stall):
            self._cancel(withdrawal_id)

    def _cancel(self, withdrawal_id: str) -> None:
        """Ask WeChat to cancel; a refusal means that the payee was quicker, and the next question shows it."""
        try:
            self.desk.transfers.cancel(withdrawal_id)
        except WeChatRefusedError as error:
            count("TransferNotCancelled", code=error.code)

    def _send_again(self, withdrawal: Withdrawal, transfer: Transfer, now: datetime) -> None:
        """Send the stored request under the same number; after 72 hours two people say whether it goes on (M23)."""
        stall = self._stall_case(withdrawal.withdrawal_id, transfer)
        self._put_off(withdrawal.withdrawal_id, next_question(transfer.state, now))
        if stall and stall.status is CaseStatus.OPEN:
            return
        if now >= transfer.stall_at:
            self._open_stall_case(withdrawal, transfer, now)
        elif _provably_absent(transfer, now) and not _rejected(stall):
            try:
                send_or_ask(self.desk, withdrawal, transfer)
            except TransferUnsettledError:
                count("TransferUnsettled")

    def _open_stall_case(self, withdrawal: Withdrawal, transfer: Transfer, now: datetime) -> None:
        """Open the next case: approval sends the request again, rejection cancels a bill that turns up."""
        number = transfer.stalls + 1
        matter = Matter(
            kind=STALLED,
            subject_id=withdrawal.withdrawal_id,
            person=withdrawal.person,
            facts={
                "member_id": withdrawal.member_id,
                "amount_fen": withdrawal.amount_fen,
                "net_fen": withdrawal.final.net_fen if withdrawal.final else 0,
                "hours_since_prepared": int((now - transfer.prepared_at) / timedelta(hours=1)),
            },
            required_approvals=2,
            number=number,
        )
        books = self.desk.books
        first_round = 2 if now - transfer.prepared_at >= _LEADS_AFTER else 1
        books.cases.open(opened(matter, now, books.review_time, first_round))
        count("TransferStalled")
        # Whatever becomes of this case, 72 hours pass between its end and the next.
        stall_at = now + 2 * books.review_time + STALL_TIME

        def noted(one: Withdrawal) -> Withdrawal:
            if one.transfer is None:
                return one
            return replace(one, transfer=replace(one.transfer, stalls=number, stall_at=stall_at))

        books.withdrawals.change(withdrawal.withdrawal_id, noted)

    def _stall_case(self, withdrawal_id: str, transfer: Transfer) -> Case | None:
        if not transfer.stalls:
            return None
        return self.desk.books.cases.get(case_id(STALLED, withdrawal_id, transfer.stalls))

    def _put_off(self, withdrawal_id: str, until: datetime) -> None:
        self.desk.books.withdrawals.change(
            withdrawal_id, lambda one: replace(one, due_at=until) if one.due_at and not one.status.ended else one
        )

    def _look_after_case(self, one: str, now: datetime) -> None:
        books = self.desk.books
        look_after(books.cases, one, now, books.review_time, self.start_review)

    def _put_off_case(self, one: str, until: datetime) -> None:
        self.desk.books.cases.change(one, lambda case: replace(case, due_at=until) if case.due_at else case)


def _provably_absent(transfer: Transfer, now: datetime) -> bool:
    """Tell whether 'not found' means that there is no bill: WeChat never knew it, and would still know it now."""
    return transfer.state is None and now - transfer.prepared_at < _QUERY_WINDOW


def _rejected(case: Case | None) -> bool:
    return case is not None and case.status in {CaseStatus.REJECTED, CaseStatus.EXPIRED}


def _tried(work: str, item_id: str, do: Callable[[], None]) -> bool:
    """Do one thing; a fault is logged and counted, so that it does not hold up the others."""
    try:
        do()
    except Exception:  # noqa: BLE001 - one item's fault must not hold up the others
        count("WithdrawalSweepFault")
        logger.exception("due item failed", extra={"item_id": item_id, "work": work})
        return False
    return True
