"""Errors that a user can cause: each becomes an RFC 9457 problem with a stable code and a Chinese title.

A feature defines its own subclasses next to its rules; `http.problem` turns any of them into an answer. Whatever is not
a `DomainError` is a fault of ours or of a system we call: logged once and answered as 500 without details.
"""

from collections.abc import Mapping
from typing import ClassVar


class DomainError(Exception):
    """Base of every refusal: nothing was changed."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[str] = "请求有误"

    def __init__(self, detail: str = "") -> None:
        """Take what is particular to this occurrence, for the reader of the answer; never personal data."""
        super().__init__(detail or self.title)
        self.detail = detail

    @property
    def extensions(self) -> Mapping[str, object]:
        """Return extension members of the problem document (RFC 9457, 3.2): what programs need of this occurrence."""
        return {}


class BadRequestError(DomainError):
    """The request cannot be understood or breaks a stated limit."""


class UnauthenticatedError(DomainError):
    """Nobody, or somebody whose proof does not hold, asks."""

    status = 401
    code = "unauthenticated"
    title = "请先登录"


class ForbiddenError(DomainError):
    """Who asks is known and may not."""

    status = 403
    code = "forbidden"
    title = "没有权限"


class NotFoundError(DomainError):
    """It does not exist, or it is somebody else's: the two look the same from outside."""

    status = 404
    code = "not_found"
    title = "未找到"


class ConflictError(DomainError):
    """The state of things does not allow it now."""

    status = 409
    code = "conflict"
    title = "当前状态不允许此操作"


class IdempotencyKeyReusedError(ConflictError):
    """The same idempotency key came with another content."""

    status = 422
    code = "idempotency_key_reused"
    title = "幂等键已用于其他请求"


class PassingError(DomainError):
    """A fault that is expected to pass: the caller may ask again, a record that caused it is delivered again."""

    status = 503
    code = "unavailable"
    title = "服务暂时不可用，请稍后再试"


class BusyError(PassingError):
    """Too much contention: nothing was written, the caller may try again."""

    code = "busy"
    title = "系统繁忙，请稍后再试"
