"""Orders that are refused, closed, or paid too late, and the stock through all of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from infra.local.api_client import ApiError, idempotency_key
from tests.stack.support import MINUTE, Json, Person, World, refusal

STOCK = 3


def left(world: World, product: Json) -> int:
    """Return how many pieces are left of a product with one SKU."""
    (available,) = world.operations.get(f"/products/{product['product_id']}")["available"].values()
    return int(available)


def sku_of(product: Json) -> str:
    return str(product["skus"][0]["sku_id"])


def assert_all_can_be_bought(world: World, product: Json) -> None:
    assert left(world, product) == STOCK
    world.place(world.person("other"), {sku_of(product): STOCK})
    assert left(world, product) == 0


def too_much(buyer: Person, sku_id: str) -> Json:
    return {"address_id": buyer.address_id, "lines": [{"sku_id": sku_id, "quantity": STOCK + 1}]}


def nothing(buyer: Person, sku_id: str) -> Json:
    return {"address_id": buyer.address_id, "lines": []}


def zero(buyer: Person, sku_id: str) -> Json:
    return {"address_id": buyer.address_id, "lines": [{"sku_id": sku_id, "quantity": 0}]}


def negative(buyer: Person, sku_id: str) -> Json:
    return {"address_id": buyer.address_id, "lines": [{"sku_id": sku_id, "quantity": -1}]}


def fraction(buyer: Person, sku_id: str) -> Json:
    return {"address_id": buyer.address_id, "lines": [{"sku_id": sku_id, "quantity": 1.5}]}


def twice(buyer: Person, sku_id: str) -> Json:
    return {"address_id": buyer.address_id, "lines": [{"sku_id": sku_id, "quantity": 1}] * 2}


def no_address(buyer: Person, sku_id: str) -> Json:
    return {"lines": [{"sku_id": sku_id, "quantity": 1}]}


def unknown_sku_beside(buyer: Person, sku_id: str) -> Json:
    lines = [{"sku_id": sku_id, "quantity": 1}, {"sku_id": "P" + "0" * 26 + "-1", "quantity": 1}]
    return {"address_id": buyer.address_id, "lines": lines}


def own_price(buyer: Person, sku_id: str) -> Json:
    return {"address_id": buyer.address_id, "lines": [{"sku_id": sku_id, "quantity": 1, "unit_price_fen": 1}]}


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (too_much, (409, "out_of_stock")),
        (nothing, (400, "invalid_body")),
        (zero, (400, "invalid_body")),
        (negative, (400, "invalid_body")),
        (fraction, (400, "invalid_body")),
        (twice, (400, "duplicate_sku")),
        (no_address, (400, "address_required")),
        (unknown_sku_beside, (404, "sku_not_found")),
        (own_price, (400, "invalid_body")),
    ],
)
def test_bad_order_is_refused_and_takes_no_stock(
    world: World, body: Callable[[Person, str], Json], refused: tuple[int, str]
) -> None:
    product, buyer = world.product(10_000, STOCK), world.person("buyer")
    wanted = body(buyer, sku_of(product))
    assert refusal(lambda: buyer.post("/orders", wanted, idempotency_key())) == refused
    assert_all_can_be_bought(world, product)
    assert buyer.get("/orders")["items"] == []


def test_order_to_anothers_address_is_refused_and_takes_no_stock(world: World) -> None:
    product, buyer, other = world.product(10_000, STOCK), world.person("buyer"), world.person("neighbour")
    wanted = {"address_id": other.address_id, "lines": [{"sku_id": sku_of(product), "quantity": 1}]}
    assert refusal(lambda: buyer.post("/orders", wanted, idempotency_key())) == (404, "address_not_found")
    assert_all_can_be_bought(world, product)


def test_order_without_a_key_is_refused(world: World) -> None:
    product, buyer = world.product(10_000, STOCK), world.person("buyer")
    wanted = {"address_id": buyer.address_id, "lines": [{"sku_id": sku_of(product), "quantity": 1}]}
    assert refusal(lambda: buyer.post("/orders", wanted)) == (400, "idempotency_key_required")
    assert refusal(lambda: buyer.post("/orders", wanted, "short")) == (400, "idempotency_key_required")
    assert left(world, product) == STOCK


def test_same_key_places_one_order_even_at_once(world: World) -> None:
    product, buyer, key = world.product(10_000, 100), world.person("buyer"), idempotency_key()
    lines = {sku_of(product): 2}
    world.place(buyer, {world.sku(1): 1})  # signed in, and with an address, before the rush
    with ThreadPoolExecutor(4) as pool:
        orders = set(pool.map(lambda _: world.place(buyer, lines, key), range(4)))
    assert orders == {world.place(buyer, lines, key)}
    assert left(world, product) == 98


def test_same_key_with_another_content_is_refused(world: World) -> None:
    product, buyer, key = world.product(10_000, STOCK), world.person("buyer"), idempotency_key()
    order_id = world.place(buyer, {sku_of(product): 1}, key)
    assert refusal(lambda: world.place(buyer, {sku_of(product): 2}, key)) == (422, "idempotency_key_reused")
    assert left(world, product) == STOCK - 1
    assert buyer.get(f"/orders/{order_id}")["lines"][0]["quantity"] == 1


def test_same_key_of_another_buyer_is_another_order(world: World) -> None:
    sku_id, key = world.sku(10_000), idempotency_key()
    orders = {world.place(world.person(), {sku_id: 1}, key) for _ in range(2)}
    assert len(orders) == 2


def test_rush_sells_no_more_than_there_is(world: World) -> None:
    product, buyers = world.product(10_000, STOCK), [world.person("buyer") for _ in range(6)]
    for buyer in buyers:
        assert buyer.address_id

    def buy(buyer: Person) -> str:
        with suppress(ApiError):
            return world.place(buyer, {sku_of(product): 1})
        return ""

    with ThreadPoolExecutor(len(buyers)) as pool:
        orders = [order_id for order_id in pool.map(buy, buyers) if order_id]
    assert len(orders) == STOCK
    assert left(world, product) == 0


def test_unpaid_orders_close_after_their_time_and_give_the_stock_back(world: World) -> None:
    product, buyer = world.product(10_000, STOCK), world.person("buyer")
    looked_at, prepaid = (world.place(buyer, {sku_of(product): 1}) for _ in range(2))
    parameters = buyer.post(f"/orders/{prepaid}/prepay")
    assert left(world, product) == 1
    world.sandbox.advance(31 * MINUTE)
    for order_id in (looked_at, prepaid):
        order = world.wait_for_status(buyer, order_id, "closed")
        assert order["closed_at"]
        assert refusal(buyer.post, f"/orders/{order_id}/prepay") == (409, "order_not_payable")
    assert refusal(lambda: world.sandbox.pay(parameters))[0] == 400
    assert_all_can_be_bought(world, product)


def test_cancelled_order_gives_the_stock_back_and_cannot_be_paid(world: World) -> None:
    product, buyer = world.product(10_000, STOCK), world.person("buyer")
    order_id = world.place(buyer, {sku_of(product): 2})
    parameters = buyer.post(f"/orders/{order_id}/prepay")
    for _ in range(2):
        assert buyer.post(f"/orders/{order_id}/cancellation")["status"] == "closed"
    assert refusal(lambda: world.sandbox.pay(parameters))[0] == 400
    assert_all_can_be_bought(world, product)


def test_cancelling_a_paid_order_of_which_nobody_has_told_takes_the_payment_in(world: World) -> None:
    promoter, buyer = world.promoter(), world.person("buyer")
    world.bind(buyer, promoter)
    order_id = world.place(buyer, {world.sku(10_000): 1})
    world.sandbox.put_knobs({"drop": 1})
    world.pay(buyer, order_id)
    assert refusal(lambda: buyer.post(f"/orders/{order_id}/cancellation")) == (409, "order_not_cancellable")
    world.wait_for_status(buyer, order_id, "paid")
    world.wait_for_wallet(promoter, held_fen=1_000)


def test_payment_after_the_close_is_refunded_in_full_and_earns_nothing(world: World) -> None:
    """M20. WeChat, asked when the order is closed, does not know of the prepay yet, as one that lags behind may."""
    promoter, buyer = world.promoter(), world.person("buyer")
    world.bind(buyer, promoter)
    product = world.product(10_000, STOCK)
    order_id = world.place(buyer, {sku_of(product): 1})
    parameters = buyer.post(f"/orders/{order_id}/prepay")
    lagging = {"path_prefix": f"/v3/pay/transactions/out-trade-no/{order_id}", "method": "GET"}
    world.sandbox.put_knobs({"fail_next": [lagging | {"status": 404, "code": "ORDER_NOT_EXIST"}]})
    assert buyer.post(f"/orders/{order_id}/cancellation")["status"] == "closed"
    world.sandbox.pay(parameters)
    (refund,) = world.wait_for_refunds_at_wechat(order_id)
    assert refund["amount_fen"] == 10_000
    world.wait_for_refund(order_id, refund["out_refund_no"])
    order = buyer.get(f"/orders/{order_id}")
    assert (order["status"], order["lines"][0]["refunded_fen"]) == ("closed", 10_000)
    assert order["paid_at"]
    world.sandbox.advance(20 * MINUTE)
    assert world.events(f"order#{order_id}") == []
    assert promoter.wallet["held_fen"] == 0
    assert_all_can_be_bought(world, product)


def test_anothers_order_is_not_found(world: World) -> None:
    buyer, stranger = world.person("buyer"), world.person("stranger")
    order_id = world.place(buyer, {world.sku(10_000): 1})
    refused = (404, "order_not_found")
    assert refusal(lambda: stranger.get(f"/orders/{order_id}")) == refused
    for action in ("prepay", "cancellation", "receipt"):
        assert refusal(stranger.post, f"/orders/{order_id}/{action}") == refused
    assert buyer.get(f"/orders/{order_id}")["status"] == "placed"


def test_what_is_not_paid_is_not_shipped_received_or_refunded(world: World) -> None:
    buyer = world.person("buyer")
    order_id = world.place(buyer, {world.sku(10_000): 1})
    parcel = {"carrier": "YTO", "tracking_number": "YT1"}
    shipment = f"/staff/orders/{order_id}/shipment"
    assert refusal(lambda: world.operations.post(shipment, parcel)) == (409, "order_not_shippable")
    assert refusal(lambda: world.operations.post(shipment, {})) == (400, "tracking_required")
    assert refusal(lambda: buyer.post(f"/orders/{order_id}/receipt")) == (409, "order_not_receivable")
    assert refusal(lambda: world.refund(order_id, all=True)) == (409, "order_not_refundable")
