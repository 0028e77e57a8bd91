"""Calling an HTTP function as API Gateway does, without a stack."""

import base64
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from fenxiao.http.api import LambdaHandler

CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=128, invoked_function_arn="arn:aws:lambda:x", aws_request_id="r"
)


@dataclass(frozen=True)
class Answer:
    """Status, headers and the decoded body."""

    status: int
    headers: dict[str, str]
    text: str
    is_base64: bool = False

    @property
    def content(self) -> bytes:
        """The bytes that the caller gets."""
        return base64.b64decode(self.text) if self.is_base64 else self.text.encode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def call(
    handler: LambdaHandler,
    method: str,
    resource: str,
    *,
    path: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    body: object = None,
    raw: str | None = None,
    headers: dict[str, str] | None = None,
    member: str | None = None,
    staff: str | None = None,
    roles: str = "",
) -> Answer:
    """Call a route; `member` or `staff` is who the authorizer found."""
    authorizer: dict[str, str] = {}
    if member or staff:
        authorizer = {"principalId": member or staff or "", "kind": "member" if member else "staff", "roles": roles}
    all_headers = {"content-type": "application/json", **(headers or {})}
    event = {
        "resource": resource,
        "path": resource.format(**(path or {})),
        "httpMethod": method,
        "headers": all_headers,
        "multiValueHeaders": {name: [value] for name, value in all_headers.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
        "pathParameters": path,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "requestId": "request-1",
            "identity": {"sourceIp": "127.0.0.1"},
            "authorizer": authorizer,
        },
        "body": raw if raw is not None else (None if body is None else json.dumps(body)),
        "isBase64Encoded": False,
    }
    answer = handler(event, CONTEXT)
    return Answer(answer["statusCode"], answer["headers"], answer["body"], answer.get("isBase64Encoded", False))
