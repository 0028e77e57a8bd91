"""Rule versions: publish and list."""

from fenxiao import wiring
from fenxiao.commission.contract import PublishRules, RuleView, rule_view
from fenxiao.commission.publish import publish
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
    returns=RuleView,
    status=201,
)
def publish_rules(request: Request[PublishRules]) -> RuleView:
    """Publish the next version."""
    return rule_view(publish(request.body, request.principal.id, wiring.rules(), wiring.clock()))


@api.route("GET", "/staff/rules", "佣金规则版本", Auth.STAFF, returns=list[RuleView])
def list_rules(_request: Request[None]) -> list[RuleView]:
    """Answer all versions, newest first."""
    return [rule_view(rules) for rules in reversed(wiring.rules().versions(fresh=True))]


lambda_handler = api.handler
