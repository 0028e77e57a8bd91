"""The catalogue's routes, from the gateway's event to the table and back."""

from typing import Any

import pytest

from fenxiao.aws.dynamodb import Transaction
from fenxiao.catalogue.stock import STOCK_SHARDS
from fenxiao.catalogue.store import CatalogueStore
from functions.catalogue.app import lambda_handler
from tests.support.http import Answer, call
from tests.unit.order.shopfloor import meanwhile

pytestmark = pytest.mark.usefixtures("tables")

TEA: dict[str, Any] = {
    "title": "龙井",
    "category": "tea",
    "skus": [{"title": "一盒", "price_fen": 9900, "stock": 20}, {"title": "礼盒", "price_fen": 19_900, "stock": 3}],
}


def publish(body: dict[str, Any] | None = None, roles: str = "operations", **changes: Any) -> Answer:
    return call(lambda_handler, "POST", "/staff/products", body={**(body or TEA), **changes}, staff="S1", roles=roles)


def get(product_id: str) -> Answer:
    return call(lambda_handler, "GET", "/products/{product_id}", path={"product_id": product_id})


def listed(**query: str) -> Answer:
    return call(lambda_handler, "GET", "/products", query=query or None)


def change_stock(product: dict[str, Any], delta: int, key: str = "stock-key-1", sku: int = 0) -> Answer:
    return call(
        lambda_handler,
        "POST",
        "/staff/products/{product_id}/skus/{sku_id}/stock",
        path={"product_id": product["product_id"], "sku_id": product["skus"][sku]["sku_id"]},
        body={"delta": delta},
        headers={"idempotency-key": key},
        staff="S1",
        roles="operations",
    )


def set_sale(product: dict[str, Any], *, on_sale: bool) -> Answer:
    return call(
        lambda_handler,
        "PUT",
        "/staff/products/{product_id}/sale",
        path={"product_id": product["product_id"]},
        body={"on_sale": on_sale},
        staff="S1",
        roles="operations",
    )


def test_a_product_is_published_with_its_stock_over_all_shards() -> None:
    created = publish()

    assert created.status == 201
    product = created.json
    assert get(product["product_id"]).json == product
    assert product["available"] == {sku["sku_id"]: stock for sku, stock in zip(product["skus"], (20, 3), strict=True)}
    shards = CatalogueStore().available(product["skus"][0]["sku_id"])
    assert len(shards) == STOCK_SHARDS
    assert max(shards.values()) - min(shards.values()) <= 1


def test_the_virtual_flag_is_kept() -> None:
    assert publish(is_virtual=True).json["is_virtual"]
    assert not publish().json["is_virtual"]


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"category": ""},
        {"skus": []},
        {"skus": [{"title": "一盒", "price_fen": 0, "stock": 1}]},
        {"skus": [{"title": "一盒", "price_fen": 9.5, "stock": 1}]},
        {"skus": [{"title": "一盒", "price_fen": 100, "stock": -1}]},
        {"skus": [{"title": "一盒", "price_fen": 100, "stock": 1}] * 11},
        {"surprise": 1},
    ],
)
def test_a_product_that_breaks_the_contract_is_refused(changes: dict[str, Any]) -> None:
    refused = publish(**changes)

    assert (refused.status, refused.json["code"]) == (400, "invalid_body")
    assert listed().json["items"] == []


def test_only_operations_publish() -> None:
    assert publish(roles="finance").status == 403
    assert call(lambda_handler, "POST", "/staff/products", body=TEA, member="M1").status == 403
    assert call(lambda_handler, "POST", "/staff/products", body=TEA).status == 401


def test_lists_are_paged_newest_first_by_category_or_all() -> None:
    titles = [f"茶 {number}" for number in range(5)]
    for title in titles:
        publish(title=title)
    publish(title="杯", category="cup")

    first = listed(category="tea", limit="3").json
    second = listed(category="tea", limit="3", cursor=first["next_cursor"]).json

    names = [item["title"] for item in first["items"] + second["items"]]
    assert sorted(names) == titles
    assert second["next_cursor"] is None
    assert len(listed().json["items"]) == 6
    assert [item["title"] for item in listed(category="cup").json["items"]] == ["杯"]
    assert listed(category="nothing").json["items"] == []


def test_bad_list_queries_are_refused() -> None:
    assert listed(limit="0").json["code"] == "bad_limit"
    assert listed(cursor="nonsense!").json["code"] == "bad_cursor"
    assert listed(category="x" * 3000).status == 400


def test_an_unknown_product_is_not_found() -> None:
    for product_id in ("P" + "0" * 26, "nonsense", "x" * 3000):
        assert get(product_id).json["code"] == "product_not_found"


def test_a_product_off_sale_is_not_listed_and_comes_back_to_its_place() -> None:
    tea = publish().json

    for _ in range(2):
        assert not set_sale(tea, on_sale=False).json["on_sale"]
    assert listed().json["items"] == []
    assert listed(category="tea").json["items"] == []
    assert not get(tea["product_id"]).json["on_sale"]

    for _ in range(2):
        assert set_sale(tea, on_sale=True).json["on_sale"]
    assert len(listed().json["items"]) == 1


def test_stock_is_added_once_per_key() -> None:
    tea = publish().json

    for _ in range(2):
        assert change_stock(tea, 5).json["available"] == 25
    assert change_stock(tea, 5, "stock-key-2").json["available"] == 30
    reused = change_stock(tea, 6)
    assert (reused.status, reused.json["code"]) == (422, "idempotency_key_reused")
    assert get(tea["product_id"]).json["available"][tea["skus"][0]["sku_id"]] == 30


def test_stock_is_taken_out_over_shards_but_never_below_nothing() -> None:
    tea = publish().json

    assert change_stock(tea, -18).json["available"] == 2
    short = change_stock(tea, -3, "stock-key-2")
    assert (short.status, short.json["code"]) == (409, "out_of_stock")
    assert get(tea["product_id"]).json["available"][tea["skus"][0]["sku_id"]] == 2


def test_a_key_is_needed_and_a_sku_of_this_product() -> None:
    tea, other = publish().json, publish().json

    assert change_stock(tea, 1, "short").json["code"] == "idempotency_key_required"
    assert change_stock({**tea, "skus": other["skus"]}, 1).json["code"] == "product_not_found"


def test_a_change_of_stock_that_loses_a_race_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tea = publish(skus=[{"title": "一盒", "price_fen": 100, "stock": 8}]).json
    meanwhile(monkeypatch, Transaction, "commit", lambda: change_stock(tea, -4, "the-rivals-key"))

    assert change_stock(tea, -6).json["code"] == "out_of_stock"
    assert change_stock(tea, -4, "stock-key-2").json["available"] == 0
