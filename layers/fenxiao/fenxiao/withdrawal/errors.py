"""Refusals of the withdrawal room."""

from fenxiao.errors import BadRequestError, ConflictError, ForbiddenError, NotFoundError


class BelowMinimumError(BadRequestError):
    """Less than the deployment's minimum, or less than WeChat transfers once tax and fee are off."""

    status = 422
    code = "withdrawal_below_minimum"
    title = "提现金额低于最低限额"


class AboveMaximumError(BadRequestError):
    """More than the deployment allows at once."""

    status = 422
    code = "withdrawal_above_maximum"
    title = "提现金额超过单笔上限"


class PayeeNameRequiredError(BadRequestError):
    """WeChat wants the payee's name from 2 000 yuan on."""

    status = 422
    code = "payee_name_required"
    title = "到账金额达到 2000 元时须填写收款人真实姓名"


class TooManyWithdrawalsError(ConflictError):
    """So many requests in 30 days are not a person's."""

    status = 429
    code = "too_many_withdrawals"
    title = "近期提现次数过多，请稍后再试"


class MemberSuspendedError(ForbiddenError):
    """A suspended member withdraws nothing."""

    code = "member_suspended"
    title = "账号已被冻结，暂不能提现"


class UnknownTransferError(NotFoundError):
    """WeChat speaks of a bill for which we stored no request."""

    code = "unknown_transfer"
    title = "转账单不存在"


class TransferMismatchError(ConflictError):
    """WeChat speaks of another amount than we asked for; nothing was posted, a case is open."""

    code = "transfer_amount_mismatch"
    title = "转账金额与申请不符"


class TransferContradictionError(ConflictError):
    """WeChat tells another end than the one that stands; nothing was posted, a case is open (M3, M22)."""

    code = "transfer_contradiction"
    title = "转账结果与已记录的结果不一致"


class TransferUnsettledError(Exception):
    """The request was sent and WeChat does not know the bill (yet): ask again, then send the same body again (M23)."""
