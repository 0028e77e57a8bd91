"""Refusals of the identity room."""

from fenxiao.errors import ConflictError, DomainError, UnauthenticatedError


class InvalidTokenError(UnauthenticatedError):
    """The token is forged, expired, used before or signed out; which of these is nobody's business."""

    code = "invalid_token"
    title = "登录已失效，请重新登录"


class SignInFailedError(UnauthenticatedError):
    """No such staff member, or not this key."""

    code = "sign_in_failed"
    title = "账号或密钥不正确"


class TooManyAttemptsError(DomainError):
    """Too many wrong keys: the account waits."""

    status = 429
    code = "too_many_attempts"
    title = "尝试次数过多，请稍后再试"


class PhoneTakenError(ConflictError):
    """The phone number belongs to another member."""

    code = "phone_taken"
    title = "该手机号已绑定其他账号"


class NicknameRefusedError(DomainError):
    """WeChat's content check does not pass the nickname, which others get to see."""

    status = 422
    code = "nickname_refused"
    title = "昵称未通过内容安全检查，请换一个"
