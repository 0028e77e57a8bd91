"""The authorizer's decision (API Gateway REST API, REQUEST authorizer, policy document 2012-10-17)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, TypedDict

from fenxiao.identity import tokens
from fenxiao.identity.errors import InvalidTokenError
from fenxiao.identity.sessions import SessionStores

_SCHEME: Final = "Bearer"
_NOBODY: Final = "nobody"


class Statement(TypedDict):
    """One statement of a policy document."""

    Action: str
    Effect: str
    Resource: str


class PolicyDocument(TypedDict):
    """A policy document."""

    Version: str
    Statement: list[Statement]


class Decision(TypedDict):
    """What API Gateway expects of an authorizer."""

    principalId: str
    policyDocument: PolicyDocument
    context: dict[str, str]


def authorize(
    headers: Mapping[str, str], method_arn: str, stores: SessionStores, signing_key: bytes, now: datetime
) -> Decision:
    """Admit the bearer of a good access token whose session has not ended; deny anybody else.

    The policy covers the whole stage, because API Gateway keeps it for every route that the same token asks for; which
    roles a route needs is checked by the route. So a denial always means a bad token, never a missing role, and is
    shown as 401. A fault of the store is not a denial: it is raised and not kept.
    """
    try:
        claims = tokens.verify(_bearer(headers), signing_key, now)
    except InvalidTokenError:
        return _decision(_NOBODY, "Deny", method_arn, {})
    if stores[claims.kind].get(claims.subject, claims.session_id, now) is None:
        return _decision(_NOBODY, "Deny", method_arn, {})
    context = {"kind": str(claims.kind), "roles": ",".join(claims.roles)}
    return _decision(claims.subject, "Allow", method_arn, context)


def _bearer(headers: Mapping[str, str]) -> str:
    value = next((text for name, text in headers.items() if name.lower() == "authorization"), "")
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == _SCHEME.lower() else ""


def _decision(
    principal_id: str, effect: Literal["Allow", "Deny"], method_arn: str, context: dict[str, str]
) -> Decision:
    api, stage = method_arn.split("/")[:2]
    statement: Statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{api}/{stage}/*"}
    return {
        "principalId": principal_id,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
