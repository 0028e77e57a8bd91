"""Refusals of the relation room."""

from fenxiao.errors import ConflictError, NotFoundError


class InviteNotFoundError(NotFoundError):
    """No invite has this code."""

    code = "invite_not_found"
    title = "邀请码不存在"


class InviteExpiredError(ConflictError):
    """The invite's days are over."""

    code = "invite_expired"
    title = "邀请码已过期"


class InviteUsedError(ConflictError):
    """The invite was used as often as it may be."""

    code = "invite_used"
    title = "邀请码已被使用"


class TooManyInvitesError(ConflictError):
    """The member made as many invites as one may."""

    code = "too_many_invites"
    title = "邀请码数量已达上限"


class OwnInviteError(ConflictError):
    """Nobody binds to themselves."""

    code = "own_invite"
    title = "不能使用自己的邀请码"


class InviterUnavailableError(ConflictError):
    """The owner of the invite is not, or no longer, an active promoter."""

    code = "inviter_unavailable"
    title = "邀请人当前不可用"


class AlreadyBoundError(ConflictError):
    """The member has an upline, and the binding is still valid."""

    code = "already_bound"
    title = "您已绑定邀请人"


class NotNewCustomerError(ConflictError):
    """Bindings last until the first order, which this member has paid: a binding could never earn anything."""

    code = "not_new_customer"
    title = "仅限未下过单的新用户绑定"


class HasDownlineError(ConflictError):
    """Who has a downline cannot bind for the first time (M21)."""

    code = "has_downline"
    title = "您已有下级，不能再绑定邀请人"


class RelationCycleError(ConflictError):
    """The inviter stands below the member."""

    code = "relation_cycle"
    title = "不能绑定到自己的下级"


class RelationTooDeepError(ConflictError):
    """The inviter's ancestors are more than can be checked for a cycle."""

    code = "relation_too_deep"
    title = "关系链过长，无法绑定"


class NotPromoterError(ConflictError):
    """Only an active promoter may do this."""

    code = "not_promoter"
    title = "请先成为分销员"


class SuspendedError(ConflictError):
    """A suspended member may not do this."""

    code = "suspended"
    title = "分销资格已被暂停"


class NotSuspendedError(ConflictError):
    """There is nothing to reinstate: the member never was a promoter."""

    code = "not_suspended"
    title = "该用户不是被暂停的分销员"


class NoSuchLevelError(NotFoundError):
    """The team has no such level."""

    code = "no_such_level"
    title = "团队层级不存在"
