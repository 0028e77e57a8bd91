"""HTTP functions: a Chalice app whose routes take and give msgspec structs and answer refusals as problems.

Chalice turns a view's exception into its own 500 before any middleware sees it, so each view is wrapped here and domain
errors are mapped in this one place. The table of operations also writes the OpenAPI document.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final, Protocol, cast

import msgspec
from chalice.app import Chalice, Response
from msgspec import Struct, field

from fenxiao.errors import BadRequestError, DomainError, ForbiddenError, UnauthenticatedError
from fenxiao.http.problem import MEDIA_TYPE, InternalError, MediaTypeError, RouteNotFoundError, problem
from fenxiao.observability import count, logger

_JSON: Final = "application/json"
_MAX_BODY_BYTES: Final = 64 * 1024
_KEY_LENGTH: Final = range(8, 65)
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-Request-Id",
    "Cache-Control": "no-store",
}
_NO_CONTENT: Final = 204
_NO_BODY: Final = type(None)


class Auth(StrEnum):
    """Who may call an operation; the authorizer admits, the operation checks again."""

    PUBLIC = "public"
    MEMBER = "member"
    STAFF = "staff"
    SIGNED_IN = "signed_in"
    """A member or a staff member; what each may see, the use case decides."""


class Role(StrEnum):
    """What a staff member is trusted with."""

    ADMINISTRATOR = "administrator"
    FINANCE = "finance"
    FINANCE_LEAD = "finance_lead"
    OPERATIONS = "operations"


class Principal(Struct, frozen=True):
    """Who asks, as the authorizer found."""

    kind: Auth
    id: str
    roles: frozenset[str] = frozenset()


class Request[B](Struct, frozen=True):
    """One call of an operation: `body` is decoded and validated, `path` holds the path parameters."""

    body: B
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Header names in lower case."""
    raw_body: bytes
    principal: Principal
    source_ip: str

    @property
    def idempotency_key(self) -> str:
        """Return the caller's key; an operation declared `idempotent` has refused a request without one."""
        return self.headers["idempotency-key"]


class InvalidBodyError(BadRequestError):
    """The body breaks the operation's contract; the detail names the place."""

    code = "invalid_body"
    title = "请求内容不符合要求"


class BodyTooLargeError(BadRequestError):
    """The body is longer than any operation needs."""

    status = 413
    code = "body_too_large"
    title = "请求内容过大"


class IdempotencyKeyError(BadRequestError):
    """A write that moves money came without a usable key."""

    code = "idempotency_key_required"
    title = "缺少幂等键"


class Text(Struct, frozen=True):
    """An answer that is not JSON, such as a page or the plain words that WeChat expects."""

    body: str
    media_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Binary(Struct, frozen=True):
    """An answer of bytes, in one of the media types that the `Api` and the template's `BinaryMediaTypes` name."""

    body: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


class NotAcceptableError(DomainError):
    """API Gateway gives out bytes only to a request whose `Accept` begins with their media type."""

    status = 406
    code = "not_acceptable"
    title = "请求头 Accept 与返回类型不符"


class Operation(Struct, frozen=True):
    """A route as the OpenAPI document describes it."""

    method: str
    path: str
    summary: str
    auth: Auth
    roles: frozenset[Role]
    body: Any
    returns: Any
    status: int
    idempotent: bool
    query: Mapping[str, str]
    view: Callable[..., object]


class LambdaHandler(Protocol):
    """What AWS Lambda calls."""

    def __call__(self, event: Any, context: Any) -> Any:
        """Answer one invocation."""
        ...


class Api:
    """The routes of one HTTP function; `handler` is its Lambda entry point."""

    def __init__(self, name: str, *binary_types: str) -> None:
        """Begin without routes; `binary_types` are the media types of its `Binary` answers."""
        self.operations: list[Operation] = []
        self._chalice = Chalice(app_name=name, configure_logs=False)
        self._chalice.api.binary_types = list(binary_types)

    def route[B, R](  # noqa: PLR0913 - a route's whole declaration in one place
        self,
        method: str,
        path: str,
        summary: str,
        auth: Auth,
        *,
        roles: frozenset[Role] = frozenset(),
        body: type[B] = _NO_BODY,  # type: ignore[assignment] # mypy cannot bind a default to a type parameter
        returns: Any = None,
        status: int = 200,
        idempotent: bool = False,
        query: Mapping[str, str] | None = None,
        content_types: tuple[str, ...] = (_JSON,),
    ) -> Callable[[Callable[[Request[B]], R]], Callable[[Request[B]], R]]:
        """Declare an operation.

        Args:
            method: HTTP method in upper case.
            path: Path with `{parameters}`, as `template.yaml` lists it.
            summary: Chinese title for the documentation.
            auth: Who may call it.
            roles: Staff roles of which one is needed; empty admits every staff member.
            body: The msgspec struct of the request; `None`'s type when there is no body to read.
            returns: The type of the answer, for the documentation; `None` when there is none.
            status: The HTTP status of success.
            idempotent: Whether an `Idempotency-Key` is required, as for every write that moves money.
            query: Query parameters by name, each with its Chinese description.
            content_types: Media types that the body may have.
        """

        def register(view: Callable[[Request[B]], R]) -> Callable[[Request[B]], R]:
            operation = Operation(
                method, path, summary, auth, roles, body, returns, status, idempotent, query or {}, view
            )
            self.operations.append(operation)
            wrapped = _wrapped(self._chalice, operation)
            self._chalice.route(path, methods=[method], name=f"{method} {path}", content_types=list(content_types))(
                wrapped
            )
            return view

        return register

    @property
    def handler(self) -> LambdaHandler:
        """Return the Lambda entry point."""

        @logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
        def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
            answer: dict[str, Any] = self._chalice(event, context)
            request_id = event["requestContext"]["requestId"]
            headers = answer.setdefault("headers", {})
            if answer["statusCode"] >= BadRequestError.status and headers.get("Content-Type") != MEDIA_TYPE:
                answer = _from_chalice(answer["statusCode"], request_id)
                headers = answer["headers"]
            headers.update(_CORS, **{"X-Request-Id": request_id})
            return answer

        return cast("LambdaHandler", handle)


def _wrapped(chalice: Chalice, operation: Operation) -> Callable[..., Response]:
    def call(**path: str) -> Response:
        current: Any = chalice.current_request
        request_id = current.context["requestId"]
        try:
            request = _request(current, path, operation)
            response = _response(operation.view(request), operation.status, request.headers)
        except DomainError as error:
            count("Refused", code=error.code)
            return _problem_response(error, request_id)
        except Exception:  # noqa: BLE001 - the boundary: whatever it is, it is logged once and told as 500
            logger.exception("unexpected error")
            return _problem_response(InternalError(), request_id)
        return response

    call.__name__ = operation.view.__name__
    return call


def _request(current: Any, path: Mapping[str, str], operation: Operation) -> Request[Any]:
    principal = _principal(current.context.get("authorizer") or {})
    _admit(principal, operation)
    headers = {name.lower(): value for name, value in current.headers.items()}
    if operation.idempotent and len(headers.get("idempotency-key", "")) not in _KEY_LENGTH:
        raise IdempotencyKeyError(f"Idempotency-Key 的长度应为 {_KEY_LENGTH.start} 至 {_KEY_LENGTH.stop - 1} 个字符")
    try:
        raw_body = current.raw_body or b""
    except UnicodeEncodeError as error:  # half a surrogate pair, which no UTF-8 text holds
        raise InvalidBodyError from error
    if len(raw_body) > _MAX_BODY_BYTES:
        raise BodyTooLargeError
    body = None if operation.body is _NO_BODY else decode(_decoder(operation.body), raw_body)
    query = dict(current.query_params or {})
    source_ip = current.context.get("identity", {}).get("sourceIp", "")
    return Request(body, path, query, headers, raw_body, principal, source_ip)


@cache
def _decoder(form: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a contract, made when it is first needed: a cold start is for one route."""
    return msgspec.json.Decoder(form, strict=True)


def decode[T](decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    """Decode and validate a JSON body.

    Raises:
        InvalidBodyError: not UTF-8, not JSON, or not of the contract's form; the detail names the first place.
    """
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidBodyError(str(error)) from error


def _principal(context: Mapping[str, Any]) -> Principal:
    kind = Auth(context.get("kind", Auth.PUBLIC))
    roles = frozenset(filter(None, str(context.get("roles", "")).split(",")))
    return Principal(kind, str(context.get("principalId", "")), roles)


def _admit(principal: Principal, operation: Operation) -> None:
    if operation.auth is Auth.PUBLIC:
        return
    if principal.kind is Auth.PUBLIC:
        raise UnauthenticatedError
    if operation.auth not in (principal.kind, Auth.SIGNED_IN):
        raise ForbiddenError
    if operation.roles and principal.kind is Auth.STAFF and not operation.roles & principal.roles:
        raise ForbiddenError


def _response(result: object, status: int, asked: Mapping[str, str]) -> Response:
    if isinstance(result, Text):
        return Response(result.body, dict(result.headers, **{"Content-Type": result.media_type}), result.status)
    if isinstance(result, Binary):
        first, _, _ = asked.get("accept", "").partition(",")
        if first.partition(";")[0].strip().lower() != result.media_type:
            raise NotAcceptableError(f"Accept 应为 {result.media_type}")
        return Response(result.body, dict(result.headers, **{"Content-Type": result.media_type}), status)
    if result is None:
        return Response("", {"Content-Type": _JSON}, _NO_CONTENT)
    return Response(msgspec.json.encode(result).decode(), {"Content-Type": _JSON}, status)


def _problem_response(error: DomainError, request_id: str) -> Response:
    body = msgspec.json.encode(problem(error, request_id)).decode()
    return Response(body, {"Content-Type": MEDIA_TYPE}, error.status)


def _from_chalice(status: int, request_id: str) -> dict[str, Any]:
    """Chalice's own refusals: unknown route or method, wrong media type; anything else is a fault."""
    by_status: dict[int, DomainError] = {404: RouteNotFoundError(), 405: RouteNotFoundError(), 415: MediaTypeError()}
    error = by_status.get(status, InternalError())
    return {
        "statusCode": error.status,
        "headers": {"Content-Type": MEDIA_TYPE},
        "multiValueHeaders": {},
        "body": msgspec.json.encode(problem(error, request_id)).decode(),
        "isBase64Encoded": False,
    }
