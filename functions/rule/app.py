"""Rule versions: publish and list."""

from fenxiao import wiring
from fenxiao.commission.contract import PublishRules
from fenxiao.commission.publish import publish
from fenxiao.commission.rules import RuleSet
from fenxiao.http.api import Api, Auth, Request, Role

api = Api("rule")
_OPERATORS = frozenset({Role.OPERATIONS, Role.ADMINISTRATOR})


@api.route(
    "POST",
    "/staff/rules",
    "发布佣金规则",
    Auth.STAFF,
    roles=_OPERATORS,
    body=PublishRules,
    returns=RuleSet,
    status=201,
)
def publish_rules(request: Request[PublishRules]) -> RuleSet:
    """Publish the next version."""
    return publish(request.body, request.principal.id, wiring.rules(), wiring.clock())


@api.route("GET", "/staff/rules", "佣金规则版本", Auth.STAFF, returns=list[RuleSet])
def list_rules(_request: Request[None]) -> list[RuleSet]:
    """Answer all versions, newest first."""
    return list(reversed(wiring.rules().versions(fresh=True)))


lambda_handler = api.handler
