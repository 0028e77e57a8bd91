"""The demo shop: staff, two products and a rule version, made over the API as its people would make them."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from infra.local.api_client import Caller, Sandbox, idempotency_key, staff, wait_for

_STAFF: Final = {
    "operations": ("运营小周", ["operations"]),
    "finance": ("财务小林", ["finance"]),
    "finance_lead": ("财务主管老陈", ["finance", "finance_lead"]),
}
_RULES: Final = {
    "base_bps": [1000, 500, 200],
    "overrides": [{"category": "teaware", "rates_bps": [800, 400, 200]}],
    "cap_bps": 2000,
    "hold_days": 7,
}
_SIMULATION_SECONDS: Final = 120
_PUBLISHING_LEAD_SECONDS: Final = 301
_SHANGHAI: Final = timezone(timedelta(hours=8))
_LARGEST_TRANSFER_FEN: Final = 2_000_00
"""What the demo's merchant has been granted; WeChat's own default for the scene is 200 yuan."""

PRODUCTS: Final = (
    {"title": "紫砂壶", "category": "teaware", "price_fen": 659_917},
    {"title": "明前龙井", "category": "tea", "price_fen": 12_799},
)


@dataclass(frozen=True)
class StaffLogin:
    """Who signs in with what, through `POST /staff/sessions`."""

    staff_id: str
    sign_in_key: str


@dataclass(frozen=True)
class SeedResult:
    """What the shop begins with."""

    staff: dict[str, StaffLogin]
    """By role."""
    sku_ids: dict[str, str]
    """By product title."""


def seed(api_url: str, sandbox_url: str, lambda_client: Any, staff_admin_function: str) -> SeedResult:
    """Create staff, publish rules and put goods on sale.

    Args:
        api_url: The deployed API.
        sandbox_url: The WeChat sandbox.
        lambda_client: A client that may invoke the staff administration.
        staff_admin_function: Its name.
    """
    logins = {
        role: _create_staff(lambda_client, staff_admin_function, name, roles) for role, (name, roles) in _STAFF.items()
    }
    people = {role: staff(api_url, login.staff_id, login.sign_in_key) for role, login in logins.items()}
    operations = people["operations"]
    _publish_rules(operations, people["finance_lead"])
    sandbox = Sandbox(sandbox_url)
    sandbox.put_knobs({"transfer_max_fen": _LARGEST_TRANSFER_FEN})
    sandbox.advance(_PUBLISHING_LEAD_SECONDS)
    return SeedResult(logins, {str(one["title"]): _create_product(operations, one) for one in PRODUCTS})


def _publish_rules(author: Caller, approver: Caller) -> None:
    """Take the rules through their whole life: written, validated, simulated, approved by another person, published."""
    draft = author.post("/rules/drafts", {"title": "开业规则", "terms": _RULES})
    path = f"/rules/{draft['draft_id']}"
    author.post(f"{path}/validate")
    yesterday = (datetime.now(_SHANGHAI) - timedelta(days=1)).date().isoformat()
    author.post(f"{path}/simulate", {"from": yesterday, "to": yesterday})
    simulated = wait_for("the simulation of the rules", lambda: _simulated(author, path), _SIMULATION_SECONDS)
    judgement = {"revision": simulated["revision"], "verdict": "approve", "comment": "费率与合同一致"}
    approver.post(f"{path}/approval", judgement)
    author.post(f"{path}/publication", {})


def _simulated(author: Caller, path: str) -> dict[str, Any] | None:
    draft: dict[str, Any] = author.get(path)
    return draft if draft["status"] == "simulated" else None


def _create_staff(lambda_client: Any, function: str, name: str, roles: list[str]) -> StaffLogin:
    payload = json.dumps({"action": "create", "name": name, "roles": roles})
    answer = lambda_client.invoke(FunctionName=function, Payload=payload)
    result = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise RuntimeError(f"the staff administration failed: {result}")
    return StaffLogin(result["staff_id"], result["sign_in_key"])


def _create_product(operations: Caller, product: dict[str, Any]) -> str:
    body = {
        "title": product["title"],
        "category": product["category"],
        "is_virtual": False,
        "skus": [{"title": "标准", "price_fen": product["price_fen"], "stock": 1000}],
    }
    created = operations.post("/staff/products", body, key=idempotency_key())
    return str(created["skus"][0]["sku_id"])
