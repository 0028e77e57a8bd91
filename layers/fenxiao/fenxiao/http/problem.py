"""RFC 9457 problem documents: the one form of every refusal."""

from collections.abc import Mapping

import msgspec

from fenxiao.errors import DomainError

MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "https://fenxiao.invalid/problems/"
"""Problem types are names, not addresses (RFC 9457, 3.1.1): `.invalid` says that nothing is to be fetched there."""


class Problem(msgspec.Struct, frozen=True):
    """A refusal: `code` is for programs and stays stable, `title` is for the user, `detail` for this occurrence.

    Some codes come with extension members, such as the `faults` of a document.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


def problem(error: DomainError, request_id: str) -> Mapping[str, object]:
    """Return the problem document of a refusal, its extension members last."""
    standard = Problem(_TYPE_PREFIX + error.code, error.title, error.status, error.detail, error.code, request_id)
    return {**msgspec.structs.asdict(standard), **error.extensions}


class InternalError(DomainError):
    """What the user is told when a fault is ours; the log has the rest under the same request id."""

    status = 500
    code = "internal_error"
    title = "服务暂时不可用，请稍后再试"


class RouteNotFoundError(DomainError):
    """No such path, or not with this method."""

    status = 404
    code = "route_not_found"
    title = "接口不存在"


class MediaTypeError(DomainError):
    """The body is not of a type that this operation reads."""

    status = 415
    code = "unsupported_media_type"
    title = "不支持的内容类型"
