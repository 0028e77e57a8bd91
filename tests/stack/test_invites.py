"""Invites and bindings that are refused, each with its code, and teams by level."""

import base64
import secrets
from http import HTTPMethod

import pytest

from infra.local.api_client import wait_for
from tests.stack.support import DAY, Json, Person, World, all_pages, refusal


def use(person: Person, code: str) -> tuple[int, str]:
    return refusal(lambda: person.post("/relation", {"invite_code": code}))


def uplines(person: Person) -> list[Json]:
    found: list[Json] = person.get("/relation")["uplines"]
    return found


def test_invite_that_was_used_as_often_as_it_may_be_is_refused(world: World) -> None:
    code = world.invite(world.promoter(), max_uses=1)
    first, second = world.person(), world.person()
    first.post("/relation", {"invite_code": code})
    assert use(second, code) == (409, "invite_used")
    assert uplines(second) == []


def test_expired_invite_is_refused(world: World) -> None:
    code = world.invite(world.promoter(), valid_days=1)
    world.sandbox.advance(DAY + 1)
    late = world.person()
    assert use(late, code) == (409, "invite_expired")
    assert uplines(late) == []


def test_own_invite_is_refused(world: World) -> None:
    promoter = world.promoter()
    assert use(promoter, world.invite(promoter)) == (409, "own_invite")


def test_unknown_invite_is_not_found(world: World) -> None:
    assert use(world.person(), "00000000") == (404, "invite_not_found")


def test_second_binding_is_refused_and_the_first_stands(world: World) -> None:
    member, first, second = world.person(), world.promoter(), world.promoter()
    world.bind(member, first)
    before = uplines(member)
    assert use(member, world.invite(second)) == (409, "already_bound")
    assert uplines(member) == before
    counts = second.get("/team")["level_counts"]
    assert counts == [0, 0, 0]


def test_who_has_a_downline_cannot_bind(world: World) -> None:
    above, _ = world.chain("A", "B")
    assert use(above, world.invite(world.promoter())) == (409, "has_downline")
    assert uplines(above) == []


@pytest.mark.parametrize("length", [2, 3, 4])
def test_binding_under_ones_own_downline_is_refused(world: World, length: int) -> None:
    people = world.chain(*"ABCD"[:length])
    assert use(people[0], world.invite(people[-1])) == (409, "relation_cycle")
    assert uplines(people[0]) == []


def test_invite_of_a_suspended_promoter_is_refused(world: World) -> None:
    promoter = world.promoter()
    code = world.invite(promoter)
    world.set_standing(promoter, "suspended")
    assert use(world.person(), code) == (409, "inviter_unavailable")
    assert refusal(lambda: promoter.post("/invites", {})) == (409, "not_promoter")
    assert refusal(lambda: promoter.post("/promoters")) == (409, "suspended")


def test_shopper_cannot_invite(world: World) -> None:
    shopper = world.person()
    assert refusal(lambda: shopper.post("/invites", {})) == (409, "not_promoter")


def test_team_is_paged_by_level_with_the_size_of_each(world: World) -> None:
    top, second, third, fourth, _ = world.chain("A", "B", "C", "D", "E")
    siblings = [world.person(f"sibling-{secrets.token_hex(2)}") for _ in range(4)]
    for sibling in siblings:
        world.bind(sibling, top)
    wait_for("the team", lambda: top.get("/team")["level_counts"] == [5, 1, 1] or None)
    pages = all_pages(top.get, "/team?level=1", 2)
    assert [one["member_id"] for one in pages] == [one.member_id for one in (*reversed(siblings), second)]
    assert [one["member_id"] for one in top.get("/team?level=2")["items"]] == [third.member_id]
    assert [one["member_id"] for one in top.get("/team?level=3")["items"]] == [fourth.member_id]
    assert refusal(lambda: top.get("/team?level=4")) == (404, "no_such_level")
    assert refusal(lambda: top.get("/team?level=0")) == (404, "no_such_level")


def test_fourth_level_earns_nothing(world: World) -> None:
    top, *middle, buyer = world.chain("A", "B", "C", "D", "E")
    world.paid_order(buyer, {world.sku(10_000): 1})
    for person, fen in zip(middle, (200, 500, 1_000), strict=True):
        world.wait_for_wallet(person, held_fen=fen)
    world.wait_for_wallet(top)


def test_the_picture_of_an_invite_comes_from_wechat(world: World) -> None:
    promoter = world.promoter()
    code = promoter.post("/invites", {})["invite_code"]
    picture = promoter.get(f"/invites/{code}/image")
    assert base64.b64decode(picture["image_base64"]).startswith(b"\x89PNG")
    other = world.person()
    assert refusal(lambda: other.get(f"/invites/{code}/image")) == (404, "invite_not_found")


def test_a_nickname_must_pass_wechats_check(world: World) -> None:
    member = world.person()
    member.caller.call(HTTPMethod.PATCH, "/members/me", {"nickname": "小美"})
    refused = refusal(lambda: member.caller.call(HTTPMethod.PATCH, "/members/me", {"nickname": "赌博"}))
    assert refused == (422, "nickname_refused")
    assert member.get("/members/me")["nickname"] == "小美"
