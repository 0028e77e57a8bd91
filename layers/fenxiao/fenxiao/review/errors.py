"""Refusals of the review room."""

from fenxiao.errors import ConflictError, ForbiddenError


class DecisionStaleError(ConflictError):
    """The case is not open in that round any more (M28)."""

    code = "decision_stale"
    title = "该审核已进入下一轮或已结束，请刷新后再操作"


class AlreadyDecidedError(ConflictError):
    """The same reviewer, or the same person under another account, has decided already."""

    code = "already_decided"
    title = "您已审核过，需由另一人审核"


class OwnRequestError(ForbiddenError):
    """Nobody decides on their own request, nor on one that they made for somebody else (M27)."""

    code = "own_request"
    title = "不能审核本人的申请"


class LeadRequiredError(ForbiddenError):
    """An escalated round is for leads."""

    code = "finance_lead_required"
    title = "该审核已升级，需由财务主管处理"
