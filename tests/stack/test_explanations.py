"""Explanations over HTTP: what each asker sees of an order, and that nobody sees what is somebody else's."""

from tests.stack.support import World, refusal


def test_each_sees_their_own_part_and_staff_see_everything(world: World) -> None:
    a, b, c = world.chain("A", "B", "C")
    buyer = world.person("D")
    world.bind(buyer, c)
    order_id = world.paid_order(buyer, {world.sku(12_799): 3})
    world.wait_for_line(c, "earn", order_id)
    refund = world.refund(order_id, amount_fen=397)
    world.wait_for_refund(order_id, refund["refund_id"])
    world.wait_for_line(c, "refund", order_id)

    line = c.get("/statement")["items"][0]
    own = c.get(f"/commissions/{line['commission_id']}/explain")
    (part,) = own["parts"]
    assert (part["level"], part["amount_fen"], part["posted_fen"]) == (1, 3_800, 3_800)
    assert (part["lines"][0]["base_fen"], part["lines"][0]["rate_bps"]) == (38_000, 1_000)
    assert part["lines"][0]["refunded_fen"] == 397
    assert "费率 10.00%（基础费率第 1 级）：380.00 × 10.00% = 38.00 元。" in part["sentences"]
    assert c.get(f"/orders/{order_id}/commissions/explain")["parts"] == own["parts"]

    everything = world.finance.get(f"/orders/{order_id}/commissions/explain")
    shares = [(one["member_id"], one["amount_fen"]) for one in everything["parts"]]
    assert shares == [(c.member_id, 3_800), (b.member_id, 1_900), (a.member_id, 760), (buyer.member_id, 0)]
    assert everything["rule_version"] >= 1


def test_who_earned_nothing_is_told_why(world: World) -> None:
    above, below = world.chain("above", "below")
    buyer = world.person("buyer")
    world.bind(buyer, below)
    world.set_standing(below, "suspended")
    order_id = world.paid_order(buyer, {world.sku(10_000): 1})
    world.wait_for_line(above, "earn", order_id)

    (part,) = below.get(f"/orders/{order_id}/commissions/explain")["parts"]
    assert (part["reason"], part["amount_fen"]) == ("suspended", 0)
    assert "付款时该推广员已被停用，因此不计佣；上级不会顶替该级。" in part["sentences"]
    (part,) = above.get(f"/orders/{order_id}/commissions/explain")["parts"]
    assert (part["level"], part["amount_fen"]) == (2, 500)


def test_what_is_somebody_elses_is_not_found(world: World) -> None:
    promoter, stranger = world.promoter(), world.promoter("stranger")
    _, order_id = world.sale(promoter, 1_000)
    world.wait_for_line(promoter, "earn", order_id)
    commission_id = f"{order_id}-{promoter.member_id}"

    assert promoter.get(f"/commissions/{commission_id}/explain")["order_id"] == order_id
    for path in (
        f"/commissions/{commission_id}/explain",
        f"/orders/{order_id}/commissions/explain",
        f"/commissions/{order_id}-{stranger.member_id}/explain",
        "/commissions/nonsense/explain",
    ):
        status, _ = refusal(stranger.get, path)
        assert status == 404, path
