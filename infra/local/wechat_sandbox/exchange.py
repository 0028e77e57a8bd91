"""What passes between the HTTP server and the handlers: requests, responses and the three ways to refuse."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

type JsonObject = dict[str, object]


class Face(StrEnum):
    """Which side of the sandbox a route belongs to; it decides authentication, signing and the form of errors."""

    MINI_PROGRAM = "mini-program"
    """Mini-program API without an access token: login and the tokens themselves."""
    MINI_PROGRAM_TOKEN = "mini-program-token"  # noqa: S105 - a route kind
    """Mini-program API that checks the access token."""
    PAY = "pay"
    """Pay v3: requests are verified, answers are signed."""
    PAY_FILE = "pay-file"
    """Pay v3's downloads: requests are verified, answers carry no signature."""
    CONTROL = "control"
    """The sandbox's own controls, which run under its lock."""
    WAITING_CONTROL = "waiting-control"
    """Controls that wait for others (deliveries, functions) and so take the lock themselves."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    `target` is the path with its query exactly as sent, which is what merchants sign; header names are in lower case.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """A refusal in Pay v3's form: `{"code", "message", "detail"}` with an HTTP status."""

    def __init__(self, status: int, code: str, message: str, detail: JsonObject | None = None) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail


class MiniProgramError(Exception):
    """A refusal in the mini-program's form: `{"errcode", "errmsg"}` with HTTP status 200."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(f"{errcode} {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg


def encode(value: object) -> bytes:
    """Return the value as compact UTF-8 JSON, as WeChat sends it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def answer_json(value: object, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(status, encode(value))


def answer_error(error: ApiError) -> Response:
    """Return a refusal in Pay v3's form."""
    body: JsonObject = {"code": error.code, "message": error.message}
    if error.detail is not None:
        body["detail"] = error.detail
    return answer_json(body, error.status)
