"""HTTP contracts of a member's withdrawals."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

import msgspec

from fenxiao.clock import SHANGHAI
from fenxiao.errors import NotFoundError
from fenxiao.http import cursor
from fenxiao.http.pages import Page, page_limit
from fenxiao.ledger.model import TaxClass
from fenxiao.wechat.facts import TransferState
from fenxiao.withdrawal.model import ReturnReason, Status, Withdrawal
from fenxiao.withdrawal.store import WithdrawalStore

_MAX_REQUEST_FEN: Final = 10_000_000_000
"""No request says more than a hundred million yuan; the deployment's own limit is far below."""

_STATUS_TEXTS: Final = {
    Status.REQUESTED: "已提交",
    Status.IN_REVIEW: "审核中",
    Status.APPROVED: "审核通过，等待打款",
    Status.TRANSFERRING: "打款中",
    Status.PAID: "已到账",
    Status.RETURNED: "已退回余额",
}
_WAIT_CONFIRM_TEXT: Final = "待您在微信中确认收款"
_OVERDUE: Final = "OVERDUE_CLOSE"
_OVERDUE_TEXT: Final = "未在 24 小时内确认收款，金额已退回余额"
_REASON_TEXTS: Final = {
    ReturnReason.REJECTED: "提现申请未通过审核，金额已退回余额",
    ReturnReason.REVIEW_EXPIRED: "审核超时未处理，金额已退回余额，请重新申请",
    ReturnReason.DEBT: "因退款产生待抵扣佣金，金额已退回并优先抵扣",
    ReturnReason.SUSPENDED: "账号已被冻结，金额已退回余额",
    ReturnReason.NET_TOO_SMALL: "扣除税费后低于微信最低转账金额，金额已退回余额",
    ReturnReason.NAME_REQUIRED: "到账金额达到 2000 元须填写收款人真实姓名，金额已退回余额",
    ReturnReason.TRANSFER_FAILED: "微信转账失败，金额已退回余额",
    ReturnReason.TRANSFER_CANCELLED: "转账已撤销，金额已退回余额",
}


class RequestWithdrawal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a member asks for: a gross amount of commissions, or of rebates (cashback of one's own purchases).

    The real name is needed from 2 000 yuan net on.
    """

    amount_fen: Annotated[int, msgspec.Meta(ge=1, le=_MAX_REQUEST_FEN)]
    payee_name: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] | None = None
    tax_class: TaxClass = TaxClass.COMMISSION


class WithdrawalView(msgspec.Struct, frozen=True):
    """A withdrawal. Tax, fee and net are an estimate until `figures_final`.

    `package_info` is for `wx.requestMerchantTransfer`, present while the payee has to confirm.
    """

    withdrawal_id: str
    status: Status
    status_text: str
    tax_class: TaxClass
    amount_fen: int
    tax_fen: int
    fee_fen: int
    net_fen: int
    figures_final: bool
    requested_at: datetime
    ended_at: datetime | None = None
    return_reason: ReturnReason | None = None
    return_reason_text: str | None = None
    transfer_state: TransferState | None = None
    package_info: str | None = None


def withdrawal_view(withdrawal: Withdrawal) -> WithdrawalView:
    """Return a withdrawal for its member."""
    shown = withdrawal.final or withdrawal.quote
    transfer = withdrawal.transfer
    waits = (
        transfer is not None
        and transfer.state is TransferState.WAIT_USER_CONFIRM
        and withdrawal.status is Status.TRANSFERRING
    )
    return WithdrawalView(
        withdrawal_id=withdrawal.withdrawal_id,
        status=withdrawal.status,
        status_text=_WAIT_CONFIRM_TEXT if waits else _STATUS_TEXTS[withdrawal.status],
        tax_class=withdrawal.tax_class,
        amount_fen=withdrawal.amount_fen,
        tax_fen=shown.tax_fen,
        fee_fen=shown.fee_fen,
        net_fen=shown.net_fen,
        figures_final=withdrawal.final is not None,
        requested_at=withdrawal.requested_at.astimezone(SHANGHAI),
        ended_at=withdrawal.ended_at.astimezone(SHANGHAI) if withdrawal.ended_at else None,
        return_reason=withdrawal.return_reason,
        return_reason_text=_reason_text(withdrawal),
        transfer_state=transfer.state if transfer else None,
        package_info=transfer.package_info if transfer and waits else None,
    )


def own_withdrawal(withdrawal_id: str, member_id: str, store: WithdrawalStore) -> WithdrawalView:
    """Return a member's own withdrawal.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    withdrawal = store.find(withdrawal_id)
    if withdrawal is None or withdrawal.member_id != member_id:
        raise NotFoundError
    return withdrawal_view(withdrawal)


def withdrawal_page(member_id: str, query: Mapping[str, str], store: WithdrawalStore) -> Page[WithdrawalView]:
    """Return a page of a member's withdrawals, newest first.

    Raises:
        BadLimitError, BadCursorError: a query parameter is not one of ours.
    """
    before = cursor.decode(query["cursor"], tuple[int, str]) if query.get("cursor") else None
    found, last = store.by_member(member_id, page_limit(query), before)
    return Page([withdrawal_view(one) for one in found], cursor.encode(*last) if last else None)


def _reason_text(withdrawal: Withdrawal) -> str | None:
    if withdrawal.return_reason is None:
        return None
    if withdrawal.transfer and withdrawal.transfer.fail_reason == _OVERDUE:
        return _OVERDUE_TEXT
    return _REASON_TEXTS[withdrawal.return_reason]
