"""`oversold`: a flash sale of 100 pieces, bought by 32 clients at once on the deployed stack."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from infra.local.api_client import ApiError, Caller, Sandbox, idempotency_key, member, staff
from infra.local.stack import running_or_new_stack

_PIECES: Final = 100
_CLIENTS: Final = 32
_MAX_TRIES: Final = 20
_OUT_OF_STOCK: Final = "out_of_stock"


def measure() -> dict[str, float]:
    """Return by how many pieces more were sold than there were, and how many were not sold though asked for."""
    with running_or_new_stack() as stack:
        sandbox, act = Sandbox(stack.sandbox_url), secrets.token_hex(3)
        logins: Any = stack.seed["staff"]
        operations = staff(stack.api_url, **logins["operations"])
        sku_id = _put_on_sale(operations)
        buyers = [member(stack.api_url, sandbox, f"buyer-{act}-{i}") for i in range(_CLIENTS)]
        addresses = [_address(one) for one in buyers]
        with ThreadPoolExecutor(_CLIENTS) as pool:
            sold = sum(pool.map(_buy_until_empty, buyers, addresses, [sku_id] * _CLIENTS))
    return {"oversold": max(0, sold - _PIECES), "unsold": max(0, _PIECES - sold)}


def _put_on_sale(operations: Caller) -> str:
    body = {
        "title": "秒杀茶杯",
        "category": "teaware",
        "is_virtual": False,
        "skus": [{"title": "标准", "price_fen": 990, "stock": _PIECES}],
    }
    return str(operations.post("/staff/products", body, key=idempotency_key())["skus"][0]["sku_id"])


def _address(buyer: Caller) -> str:
    body = {"recipient": "买家", "phone": "13800000000", "region": "浙江省杭州市", "street": "西湖大道 1 号"}
    return str(buyer.post("/addresses", body)["address_id"])


def _buy_until_empty(buyer: Caller, address_id: str, sku_id: str) -> int:
    """Buy one piece at a time until there is none; return how many were bought."""
    bought = 0
    body = {"address_id": address_id, "lines": [{"sku_id": sku_id, "quantity": 1}]}
    for _ in range(_MAX_TRIES):
        try:
            buyer.post("/orders", body, key=idempotency_key())
        except ApiError as error:
            if error.code == _OUT_OF_STOCK:
                return bought
            if error.code != "busy":
                raise
        else:
            bought += 1
    return bought
