"""Why somebody earned what they earned, or nothing."""

from fenxiao import wiring
from fenxiao.commission.explain_contract import ExplanationView
from fenxiao.http.api import Api, Auth, Request

api = Api("explanation")


@api.route("GET", "/commissions/{commission_id}/explain", "佣金说明", Auth.SIGNED_IN, returns=ExplanationView)
def explain_commission(request: Request[None]) -> ExplanationView:
    """Explain one person's commission on an order."""
    return wiring.explainer().of_commission(request.principal, request.path["commission_id"])


@api.route("GET", "/orders/{order_id}/commissions/explain", "订单佣金说明", Auth.SIGNED_IN, returns=ExplanationView)
def explain_order(request: Request[None]) -> ExplanationView:
    """Explain an order: all of it to staff, their own part to a member."""
    return wiring.explainer().of_order(request.principal, request.path["order_id"])


lambda_handler = api.handler
