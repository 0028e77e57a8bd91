"""Lists by pages, and cursors that were not made for them."""

import base64
import secrets

import pytest
import requests

from infra.local.api_client import send
from tests.stack.support import TIMEOUT_SECONDS, Json, World, all_pages, refusal


def public(world: World, path: str) -> Json:
    answer: Json = send("GET", world.stack.api_url + path)
    return answer


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_catalogue_is_paged_newest_first_by_category(world: World) -> None:
    category = f"c-{secrets.token_hex(4)}"
    made = [world.product(100, 1, category)["product_id"] for _ in range(5)]
    for limit in (1, 2, 5, 100):
        shown = all_pages(lambda path: public(world, path), f"/products?category={category}", limit)
        assert [one["product_id"] for one in shown] == made[::-1]
    everything = all_pages(lambda path: public(world, path), "/products", 50)
    assert len({one["product_id"] for one in everything}) == len(everything)
    assert set(made) <= {one["product_id"] for one in everything}
    assert public(world, "/products?category=nothing")["items"] == []


FORGED_CURSORS = [
    "x",
    "%00",
    "AAAA",
    "a" * 301,
    cursor_of("[]"),
    cursor_of("[1,2,3]"),
    cursor_of('{"pk":"x"}'),
    cursor_of("null"),
    cursor_of('[["x"]]'),
    cursor_of("[true,false]"),
]


@pytest.mark.parametrize("cursor", FORGED_CURSORS)
def test_forged_cursor_is_refused_by_every_list(world: World, cursor: str) -> None:
    member = world.person()
    assert refusal(lambda: public(world, f"/products?cursor={cursor}")) == (400, "bad_cursor")
    for path in ("/orders", "/team", "/statement", "/withdrawals"):
        assert refusal(member.get, f"{path}?cursor={cursor}") == (400, "bad_cursor"), path
    assert refusal(lambda: world.finance.get(f"/staff/cases?cursor={cursor}")) == (400, "bad_cursor")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5", "１", "9" * 30])
def test_page_size_out_of_range_is_refused_by_every_list(world: World, limit: str) -> None:
    member = world.person()
    assert refusal(lambda: public(world, f"/products?limit={limit}")) == (400, "bad_limit")
    for path in ("/orders", "/team", "/statement", "/withdrawals"):
        assert refusal(member.get, f"{path}?limit={limit}") == (400, "bad_limit"), path


def test_cursor_of_one_member_shows_another_nothing_that_is_not_theirs(world: World) -> None:
    sku_id = world.sku(100)
    one, other = world.person(), world.person()
    ids = [world.place(one, {sku_id: 1}) for _ in range(3)]
    own = world.place(other, {sku_id: 1})
    cursor = one.get("/orders?limit=1")["next_cursor"]
    seen = other.get(f"/orders?limit=100&cursor={cursor}")["items"]
    assert {order["order_id"] for order in seen} <= {own}
    assert [order["order_id"] for order in all_pages(one.get, "/orders", 1)] == ids[::-1]


@pytest.mark.parametrize(
    "position",
    [
        *('[0,"x"]', '[-1,""]', '[9223372036854775808,"x"]', '[1,"\\u0000"]', '["x"]'),
        *('[0,"x",0,0,0,0,0,0,0,0]', '[-1,"",1,2,3,4,5,6,7,8]', '[1,"\\u0000",-1,0,0,0,0,0,0,0]'),
    ],
)
def test_cursor_of_a_place_that_somebody_made_up_is_no_fault(world: World, position: str) -> None:
    """Cursors hold only a place in a list; whatever place it is, the answer is a page or a refusal."""
    member = world.person()
    member.wallet  # noqa: B018 - signs in
    headers = {"Authorization": f"Bearer {member.caller.token}"}
    for path in ("/orders", "/statement", "/withdrawals", "/team"):
        url = f"{world.stack.api_url}{path}?cursor={cursor_of(position)}"
        answer = requests.get(url, headers=headers, timeout=TIMEOUT_SECONDS)
        assert answer.status_code in (200, 400), path


def test_statement_is_paged_newest_first(world: World) -> None:
    promoter = world.promoter()
    for fen in (1_000, 2_000, 3_000):
        _, order_id = world.sale(promoter, fen)
        world.wait_for_line(promoter, "earn", order_id)  # lines stand in the order in which the books learn of them
    for limit in (1, 2, 3):
        assert [line["held_fen"] for line in promoter.pages("/statement", limit)] == [3_000, 2_000, 1_000]


def test_withdrawals_are_paged_newest_first(world: World) -> None:
    promoter = world.earner(30_000)
    ids = [world.withdraw(promoter, fen) for fen in (6_000, 7_000, 8_000)]
    for limit in (1, 2, 100):
        shown = [one["withdrawal_id"] for one in promoter.pages("/withdrawals", limit)]
        assert shown == ids[::-1]
