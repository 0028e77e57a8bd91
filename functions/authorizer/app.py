"""API Gateway's authorizer: bearer tokens of customers and staff."""

from typing import Any

from fenxiao import wiring
from fenxiao.identity.authorize import Decision, authorize


def lambda_handler(event: dict[str, Any], _context: object) -> Decision:
    """Admit or deny; a bad token is an answer, not an error."""
    return authorize(
        event.get("headers") or {},
        event["methodArn"],
        wiring.sessions(),
        wiring.token_keys().signing_key,
        wiring.wall_clock().now(),
    )
