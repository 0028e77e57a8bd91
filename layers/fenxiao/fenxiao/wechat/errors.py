"""What goes wrong with WeChat: no usable answer, a refusal, or something that only claims to come from WeChat.

Texts of these errors hold WeChat's codes at most: its messages may repeat what was sent, addresses may hold secrets.
"""

from fenxiao.errors import BadRequestError, DomainError, PassingError


class WeChatUnavailableError(PassingError):
    """No answer in time, 5xx, too many calls, or an answer that cannot be verified: nobody knows what WeChat did."""

    code = "wechat_unavailable"
    title = "微信服务暂时不可用，请稍后再试"


class WeChatRefusedError(Exception):
    """WeChat understood the request and refused it, for a reason that is ours to handle by its code."""

    def __init__(self, code: str, message: str = "") -> None:
        """Take WeChat's code, such as `NOT_ENOUGH` or `10060001`, and its words for operators."""
        super().__init__(code)
        self.code = code
        self.message = message


class BillMalformedError(Exception):
    """A bill arrived whole and does not have the form that WeChat documents; `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        """Take what is wrong and where; never the line itself."""
        super().__init__(f"line {line}: {reason}")
        self.line = line


class WeChatCodeRefusedError(BadRequestError):
    """The one-time code that the mini-program handed in is wrong, used, or older than five minutes."""

    code = "wechat_code_refused"
    title = "微信凭证无效或已过期，请重试"


class NotificationRefusedError(DomainError):
    """What came is not a notification that WeChat meant for us, just now."""

    status = 401
    code = "notification_refused"
    title = "通知未通过验证"


class NotificationUnsignedError(NotificationRefusedError):
    """A header or query parameter of the signature is missing or of another kind."""

    code = "notification_unsigned"


class NotificationBadSignatureError(NotificationRefusedError):
    """The signature does not hold; WeChat also sends such on purpose, to see whether they are refused."""

    code = "notification_bad_signature"


class NotificationStaleError(NotificationRefusedError):
    """It was signed too long ago, or in the future."""

    code = "notification_stale"


class NotificationUnknownSerialError(NotificationRefusedError):
    """It claims to be signed by a key that we do not know."""

    code = "notification_unknown_serial"


class NotificationMangledError(NotificationRefusedError):
    """It cannot be decrypted or does not have the form that it must have."""

    code = "notification_mangled"


class NotificationForeignMerchantError(NotificationRefusedError):
    """It speaks of another merchant's or another app's affairs."""

    code = "notification_foreign_merchant"


class NotificationUnexpectedError(NotificationRefusedError):
    """It is genuine but of a kind that does not belong here."""

    code = "notification_unexpected"
