"""The order's routes, from the gateway's event to the table and back."""

from typing import Any

import pytest

from fenxiao import wiring
from fenxiao.order.payment import record_payment
from functions.order.app import lambda_handler
from tests.support.http import Answer, call
from tests.unit.order.shopfloor import ShopFloor

ADDRESS = {"recipient": "丁", "phone": "13800000004", "region": "浙江省杭州市西湖区", "street": "龙井路 1 号"}
UNKNOWN = "T" + "0" * 26


@pytest.fixture
def wired(floor: ShopFloor, monkeypatch: pytest.MonkeyPatch) -> ShopFloor:
    for name in ("orders", "addresses", "shop", "cashier", "closer", "dispatch", "clock"):
        monkeypatch.setattr(wiring, name, lambda name=name: getattr(floor, name))
    monkeypatch.setattr(wiring, "bookkeeper", lambda: floor.books)
    return floor


def member(method: str, resource: str, who: str = "MD", **more: Any) -> Answer:
    return call(lambda_handler, method, resource, member=who, **more)


def staff(method: str, resource: str, roles: str = "operations", **more: Any) -> Answer:
    return call(lambda_handler, method, resource, staff="S1", roles=roles, **more)


def place(sku_id: str, quantity: object = 1, key: str = "order-key-1", **changes: Any) -> Answer:
    address_id = member("POST", "/addresses", body=ADDRESS).json["address_id"]
    body = {"address_id": address_id, "lines": [{"sku_id": sku_id, "quantity": quantity}], **changes}
    return member("POST", "/orders", body=body, headers={"idempotency-key": key})


def test_an_order_goes_from_placement_to_refund(wired: ShopFloor) -> None:
    tea = wired.product(1000)
    placed = place(tea.skus[0].sku_id, 2)
    assert placed.status == 201
    order_id = placed.json["order_id"]
    path = {"order_id": order_id}

    parameters = member("POST", "/orders/{order_id}/prepay", path=path)
    assert parameters.json["package"] == f"prepay_id=wx{order_id}"
    record_payment(wired.books, wired.pays(wired.orders.order(order_id)))
    shipment = {"carrier": "SF", "tracking_number": "SF1"}
    assert staff("POST", "/staff/orders/{order_id}/shipment", path=path, body=shipment).json["status"] == "shipped"
    assert member("POST", "/orders/{order_id}/receipt", path=path).json["status"] == "received"
    refund = staff(
        "POST",
        "/staff/orders/{order_id}/refunds",
        "finance",
        path=path,
        body={"reason": "破损", "lines": [{"line": 0, "amount_fen": 300}]},
        headers={"idempotency-key": "refund-key-1"},
    )
    assert refund.status == 202
    assert refund.json["line_fens"] == [300]

    detail = member("GET", "/orders/{order_id}", path=path).json
    assert detail == staff("GET", "/staff/orders/{order_id}", path=path).json
    assert detail["refunds"] == [refund.json]
    assert detail["lines"][0]["refund_pending_fen"] == 300
    assert detail["address"]["recipient"] == "丁"
    assert detail["shipment"]["tracking_number"] == "SF1"
    assert "chain" not in detail


@pytest.mark.parametrize("quantity", [0, -1, 1000, 1.5, "1", None])
def test_quantities_of_nothing_or_less_are_refused(wired: ShopFloor, quantity: object) -> None:
    tea = wired.product(stock=10)

    refused = place(tea.skus[0].sku_id, quantity)

    assert (refused.status, refused.json["code"]) == (400, "invalid_body")
    assert wired.left(tea) == 10


@pytest.mark.parametrize("lines", [[], [{"sku_id": "P1-1", "quantity": 1}] * 21, [{"sku_id": "P1-1"}]])
def test_orders_of_no_lines_or_too_many_are_refused(wired: ShopFloor, lines: list[object]) -> None:
    assert place("", lines=lines).json["code"] == "invalid_body"


def test_refusals_have_their_own_codes(wired: ShopFloor) -> None:
    tea = wired.product(stock=1)
    sku_id = tea.skus[0].sku_id

    assert place(sku_id, 2).json["code"] == "out_of_stock"
    assert place(sku_id, address_id="0" * 16).json["code"] == "address_not_found"
    assert place("P0-1").json["code"] == "sku_not_found"
    assert place(sku_id, key="short").json["code"] == "idempotency_key_required"
    assert place(sku_id).status == 201
    assert place(sku_id, 2).json["code"] == "idempotency_key_reused"


def test_somebody_elses_order_is_not_found_on_any_route(wired: ShopFloor) -> None:
    order_id = place(wired.product().skus[0].sku_id).json["order_id"]

    for method, resource in (
        ("GET", "/orders/{order_id}"),
        ("POST", "/orders/{order_id}/prepay"),
        ("POST", "/orders/{order_id}/cancellation"),
        ("POST", "/orders/{order_id}/receipt"),
    ):
        for who, named in (("MC", order_id), ("MD", UNKNOWN), ("MD", "x" * 3000)):
            answer = member(method, resource, who, path={"order_id": named})
            assert (answer.status, answer.json["code"]) == (404, "order_not_found")


def test_roles_decide_what_staff_may_do(wired: ShopFloor) -> None:
    path = {"order_id": UNKNOWN}
    shipment = {"carrier": "SF", "tracking_number": "SF1"}
    key = {"idempotency-key": "refund-key-1"}
    refund = {"reason": "破损", "all": True}

    def answers(roles: str) -> tuple[int, int]:
        shipped = staff("POST", "/staff/orders/{order_id}/shipment", roles, path=path, body=shipment)
        refunded = staff("POST", "/staff/orders/{order_id}/refunds", roles, path=path, body=refund, headers=key)
        return shipped.status, refunded.status

    assert answers("operations") == (404, 404)
    assert answers("finance") == (403, 404)
    assert answers("administrator") == (403, 403)


def test_orders_are_paged_newest_first(wired: ShopFloor) -> None:
    tea = wired.product(stock=100)
    placed = []
    for number in range(5):
        wired.clock.advance(seconds=number % 2)  # some at the very same moment
        placed.append(place(tea.skus[0].sku_id, key=f"order-key-{number}").json["order_id"])
    wired.place([(tea, 1)], "MC")

    seen: list[str] = []
    query = {"limit": "2"}
    for _ in range(3):
        page = member("GET", "/orders", query=query).json
        seen += [order["order_id"] for order in page["items"]]
        query = {"limit": "2", "cursor": page["next_cursor"]}
    assert sorted(seen) == sorted(placed)
    assert page["next_cursor"] is None
    moments = [wired.orders.order(order_id).placed_at for order_id in seen]
    assert moments == sorted(moments, reverse=True)


def test_addresses_are_kept_once_and_are_limited(wired: ShopFloor) -> None:
    for _ in range(2):
        first = member("POST", "/addresses", body=ADDRESS)
        assert first.status == 201
    assert member("GET", "/addresses").json == [first.json]
    assert member("GET", "/addresses", "MC").json == []

    for number in range(19):
        member("POST", "/addresses", body={**ADDRESS, "street": f"{number} 号"})
    full = member("POST", "/addresses", body={**ADDRESS, "street": "again"})
    assert (full.status, full.json["code"]) == (409, "too_many_addresses")
    assert member("POST", "/addresses", body=ADDRESS).status == 201


@pytest.mark.parametrize("changes", [{"phone": "letters"}, {"recipient": ""}, {"street": "x" * 121}])
def test_a_bad_address_is_refused(wired: ShopFloor, changes: dict[str, str]) -> None:
    assert member("POST", "/addresses", body={**ADDRESS, **changes}).json["code"] == "invalid_body"
