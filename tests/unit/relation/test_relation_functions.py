import base64
import json
from typing import Any

import pytest

from fenxiao import wiring
from fenxiao.aws.clients import client
from fenxiao.relation.model import Standing
from functions.referral.app import lambda_handler as referral
from functions.team.app import lambda_handler as team
from tests.support.http import CONTEXT, Answer, call
from tests.unit.identity.fakes import FakeMiniProgram
from tests.unit.relation.village import PERMANENT, Village

pytestmark = pytest.mark.moto


@pytest.fixture(autouse=True)
def _wired(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "clock", lambda: village)
    monkeypatch.setattr(wiring, "binding_policy", lambda: PERMANENT)


def bind(member: str, code: str) -> Answer:
    return call(referral, "POST", "/relation", body={"invite_code": code}, member=member)


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def image(member: str) -> dict[str, Any]:
    """The member's item as a stream carries it."""
    key = {"pk": {"S": member}, "sk": {"S": "member"}}
    item: dict[str, Any] = client("dynamodb").get_item(TableName="MEMBER_TABLE", Key=key)["Item"]
    return item


def record(new: dict[str, Any] | None, old: dict[str, Any] | None = None) -> dict[str, Any]:
    images = {"NewImage": new, "OldImage": old}
    return {"eventName": "MODIFY", "dynamodb": {name: one for name, one in images.items() if one is not None}}


def test_the_way_into_a_team(village: Village) -> None:
    village.born(*"AB", standing=Standing.SHOPPER)
    assert refusal(call(referral, "POST", "/invites", body={}, member="A")) == (409, "not_promoter")
    assert call(referral, "POST", "/promoters", member="A").json == {"standing": "promoter", "tier": "standard"}
    invite = call(referral, "POST", "/invites", body={"valid_days": 7, "max_uses": 3}, member="A")
    assert invite.status == 201
    assert invite.json["expires_at"] == "2026-03-08T04:00:00Z"
    before = image("B")
    bound = bind("B", invite.json["invite_code"])
    assert bound.status == 200
    assert bound.json["uplines"] == [{"level": 1, "nickname": "微信用户", "valid": True, "valid_until": None}]
    team({"Records": [record(image("B"), before), record(image("A"), image("A"))]}, CONTEXT)

    page = call(referral, "GET", "/team", member="A", query={"level": "1"}).json
    assert [item["member_id"] for item in page["items"]] == ["B"]
    assert page["level_counts"] == [1, 0, 0]
    assert call(referral, "GET", "/relation", member="B").json == bound.json


def test_the_picture_of_an_invite_is_for_its_owner(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "mini_program", FakeMiniProgram)
    village.born(*"AB")
    code = call(referral, "POST", "/invites", body={}, member="A").json["invite_code"]
    picture = call(referral, "GET", "/invites/{invite_code}/image", path={"invite_code": code.lower()}, member="A")
    assert picture.json["media_type"] == "image/png"
    assert base64.b64decode(picture.json["image_base64"]) == b"\x89PNG" + code.encode()
    others = call(referral, "GET", "/invites/{invite_code}/image", path={"invite_code": code}, member="B")
    unknown = call(referral, "GET", "/invites/{invite_code}/image", path={"invite_code": "ZZZZZZZZ"}, member="A")
    assert refusal(others) == refusal(unknown) == (404, "invite_not_found")


def test_refusals_are_problems_with_a_code(village: Village) -> None:
    village.born(*"ABCD")
    once, code = village.invite("A", max_uses=1), village.invite("A")
    expired = village.invite("D", valid_days=1)
    village.pass_days(1)
    assert bind("B", once).status == 200

    assert refusal(bind("C", once)) == (409, "invite_used")
    assert refusal(bind("C", expired)) == (409, "invite_expired")
    assert refusal(bind("A", code)) == (409, "own_invite")
    assert refusal(bind("B", code)) == (409, "already_bound")
    assert refusal(bind("A", village.invite("D"))) == (409, "has_downline")
    assert refusal(bind("A", village.invite("B"))) == (409, "relation_cycle")
    assert refusal(bind("C", "AAAAAAAA")) == (404, "invite_not_found")


def test_staff_suspend_and_reinstate(village: Village) -> None:
    village.born("A")
    village.born("B")
    code = village.invite("A")

    def put(standing: str, roles: str = "operations", reason: str = "刷单") -> Answer:
        body = {"standing": standing, "reason": reason}
        path = {"member_id": "A"}
        return call(
            referral, "PUT", "/staff/members/{member_id}/standing", path=path, body=body, staff="S1", roles=roles
        )

    assert refusal(put("suspended", roles="finance")) == (403, "forbidden")
    assert refusal(put("shopper")) == (400, "invalid_body")
    assert refusal(put("suspended", reason="")) == (400, "invalid_body")
    assert put("suspended").json == {"standing": "suspended", "tier": "standard"}
    assert refusal(bind("B", code)) == (409, "inviter_unavailable")
    assert refusal(call(referral, "POST", "/promoters", member="A")) == (409, "suspended")
    assert refusal(call(referral, "POST", "/invites", body={}, member="A")) == (409, "not_promoter")
    assert put("promoter", roles="administrator").json == {"standing": "promoter", "tier": "standard"}
    assert bind("B", code).status == 200


def test_staff_give_a_promoter_a_tier(village: Village) -> None:
    village.born("A")

    def put(tier: str, roles: str = "operations", reason: str = "业绩达标", member_id: str = "A") -> Answer:
        body, path = {"tier": tier, "reason": reason}, {"member_id": member_id}
        return call(referral, "PUT", "/staff/members/{member_id}/tier", path=path, body=body, staff="S1", roles=roles)

    assert refusal(put("gold", roles="finance")) == (403, "forbidden")
    assert refusal(put("platinum")) == (400, "invalid_body")
    assert refusal(put("gold", reason="")) == (400, "invalid_body")
    assert refusal(put("gold", member_id="X")) == (404, "not_found")
    assert put("gold").json == {"standing": "promoter", "tier": "gold"}
    assert put("silver", roles="administrator").json == {"standing": "promoter", "tier": "silver"}
    assert [change.reason for change in village.member("A").tiers] == ["业绩达标"] * 2


@pytest.mark.parametrize(
    "body", [{"valid_days": 0}, {"valid_days": 366}, {"max_uses": 0}, {"uses": 1}, {"max_uses": 1.5}]
)
def test_an_invite_out_of_bounds_is_refused(village: Village, body: object) -> None:
    village.born("A")

    assert refusal(call(referral, "POST", "/invites", body=body, member="A")) == (400, "invalid_body")


@pytest.mark.parametrize(
    ("query", "code"),
    [({"level": "4"}, "no_such_level"), ({"cursor": "x"}, "bad_cursor"), ({"limit": "0"}, "bad_limit")],
)
def test_a_wrong_page_of_a_team_is_refused(village: Village, query: dict[str, str], code: str) -> None:
    village.born("A")

    assert call(referral, "GET", "/team", member="A", query=query).json["code"] == code


def test_the_stream_worker_follows_lines_and_nothing_else(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    village.born(*"AB")
    newborn = image("B")
    village.bind("B", "A")
    bound = image("B")
    session = {"pk": {"S": "B"}, "sk": {"S": "session#1"}}
    team({"Records": [record(newborn), record(session), record(None, bound), record(bound, bound)]}, CONTEXT)
    assert village.teams.counts("A") == (0, 0, 0)

    team({"Records": [record(bound, newborn), record(bound, newborn)]}, CONTEXT)
    assert village.teams.counts("A") == (1, 0, 0)


def test_a_record_that_can_never_succeed_is_parked(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = client("sqs").create_queue(QueueName="parked")["QueueUrl"]
    monkeypatch.setenv("PARKED_QUEUE_URL", queue)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "team")
    village.born(*"AB")
    before = image("B")
    village.bind("B", "A")
    broken = {"pk": {"S": "X"}, "sk": {"S": "member"}, "line_version": {"S": "one"}}
    team({"Records": [record(broken), record(image("B"), before)]}, CONTEXT)

    (message,) = client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["record"] == record(broken)
    assert village.teams.counts("A") == (1, 0, 0)
