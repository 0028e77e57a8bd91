"""What the HTTP functions do with their sample events."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fenxiao import wiring
from fenxiao.commission.draft_store import DraftStore
from fenxiao.commission.drafts import Draft, DraftStatus
from fenxiao.commission.store import RuleStore
from fenxiao.identity.model import PrincipalKind
from fenxiao.identity.store import AccountStore
from fenxiao.order.model import OrderStatus
from fenxiao.relation.model import Standing, Tier
from fenxiao.review.model import CaseStatus
from tests.support.world import NOW
from tests.unit.events.conftest import Invoke
from tests.unit.events.day import (
    CASE,
    DRAFTS,
    PAID,
    PLACED,
    PRODUCT,
    SESSION,
    SHIPPED,
    SKU,
    STAFF,
    WITHDRAWAL,
    C,
    D,
    Day,
    E,
    event,
)
from tests.unit.events.test_samples import NAMES, OPERATIONS
from tests.unit.wechat.wechat_side import Platform

pytestmark = pytest.mark.moto


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer, and the shop after it."""

    text: str
    day: Day

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def product(self) -> Any:
        return self.day.floor.catalogue.product(PRODUCT)

    def left(self) -> int:
        return sum(self.day.floor.catalogue.available(SKU).values())

    def member(self, member_id: str) -> Any:
        return self.day.floor.members.get(member_id)

    def draft(self, draft_id: str) -> Draft:
        return DraftStore().get(draft_id)

    def status(self, was: DraftStatus) -> DraftStatus:
        return self.draft(DRAFTS[was]).status

    def phone(self, member_id: str) -> bytes | None:
        return AccountStore().phone(member_id).sealed

    def signed_in(self, kind: PrincipalKind, subject: str) -> bool:
        return wiring.sessions()[kind].get(subject, SESSION, NOW) is not None


type Effect = Callable[[Seen], object]

REFUSED: dict[str, tuple[int, str]] = {
    "evidence-latest-checkpoint": (409, "evidence_pending"),
    "evidence-prove-consistency": (409, "evidence_pending"),
    "evidence-prove-journal": (409, "evidence_pending"),
    "login-create-staff-session": (401, "sign_in_failed"),
    "login-refresh": (401, "invalid_token"),
    "payment_notification-payments": (401, "notification_stale"),
    "payment_notification-refunds": (401, "notification_stale"),
    "payment_notification-transfers": (401, "notification_stale"),
    "wechat_message-message": (401, "notification_bad_signature"),
    "wechat_message-verify": (401, "notification_bad_signature"),
}
"""Samples that lack what they would need: a live token, WeChat's signature of this very moment, a sealed log."""

DONE: dict[str, tuple[int, Effect]] = {
    "catalogue-create": (201, lambda seen: len(seen.day.floor.catalogue.listed("tea", None, 9)) == 2),
    "catalogue-product": (200, lambda seen: seen.json["product_id"] == PRODUCT),
    "catalogue-products": (200, lambda seen: [one["product_id"] for one in seen.json["items"]] == [PRODUCT]),
    "catalogue-set-sale": (200, lambda seen: not seen.product.on_sale),
    "catalogue-stock": (200, lambda seen: seen.left() == 97),
    "documentation-openapi": (200, lambda seen: seen.json["openapi"] == "3.1.0"),
    "evidence-public-key": (200, lambda seen: seen.text.startswith("-----BEGIN PUBLIC KEY-----")),
    "explanation-explain-commission": (200, lambda seen: [one["amount_fen"] for one in seen.json["parts"]] == [1_000]),
    "explanation-explain-order": (200, lambda seen: [one["level"] for one in seen.json["parts"]] == [1, 2, 3, None]),
    "documentation-page": (200, lambda seen: "<!doctype html>" in seen.text),
    "login-create-session": (201, lambda seen: AccountStore().member_id_of("openid-0a1b2c") == seen.json["member_id"]),
    "login-get-me": (200, lambda seen: seen.json["member_id"] == D),
    "login-put-phone": (204, lambda seen: seen.phone(D) is not None),
    "login-rename": (204, lambda seen: seen.member(D).nickname == "小丁"),
    "login-sign-out": (204, lambda seen: not seen.signed_in(PrincipalKind.MEMBER, D)),
    "login-sign-out-staff": (204, lambda seen: not seen.signed_in(PrincipalKind.STAFF, STAFF)),
    "month-get-month": (200, lambda seen: [one["ladder_fen"] for one in seen.json["items"]] == [500]),
    "month-preview-month": (202, lambda seen: seen.day.previews == ["2026-03"]),
    "order": (200, lambda seen: seen.json["order_id"] == PAID),
    "order-add": (201, lambda seen: seen.json["address_id"] in seen.day.floor.addresses.of_member(D)),
    "order-addresses": (200, lambda seen: [one["recipient"] for one in seen.json] == ["丁"]),
    "order-any-order": (200, lambda seen: seen.json["order_id"] == PAID),
    "order-cancel-order": (200, lambda seen: (seen.day.order(PLACED).status, seen.left()) == (OrderStatus.CLOSED, 78)),
    "order-orders": (200, lambda seen: len(seen.json["items"]) == 2 and seen.json["next_cursor"]),
    "order-place-order": (201, lambda seen: seen.day.order(seen.json["order_id"]).total_fen == 20_000),
    "order-prepay-order": (200, lambda seen: seen.json["package"] == f"prepay_id=wx{PLACED}"),
    "order-receive-order": (200, lambda seen: seen.day.order(SHIPPED).status is OrderStatus.RECEIVED),
    "order-refund-order": (202, lambda seen: seen.day.floor.orders.refunds(PAID)[0].amount_fen == 3_000),
    "order-ship-order": (200, lambda seen: seen.day.order(PAID).status is OrderStatus.SHIPPED),
    "referral-create-invite": (201, lambda seen: seen.json["max_uses"] == 5),
    "referral-create-relation": (200, lambda seen: seen.member(E).line[0].member_id == C),
    "referral-get-invite-image": (200, lambda seen: seen.json["media_type"] == "image/png"),
    "referral-get-relation": (200, lambda seen: [one["level"] for one in seen.json["uplines"]] == [1, 2, 3]),
    "referral-get-team": (200, lambda seen: seen.json["items"] == []),
    "referral-join": (200, lambda seen: seen.member(E).standings[-1].standing is Standing.PROMOTER),
    "referral-put-standing": (200, lambda seen: seen.member(C).standings[-1].standing is Standing.SUSPENDED),
    "referral-put-tier": (200, lambda seen: seen.member(C).tiers[-1].tier is Tier.GOLD),
    "report-latest-audit": (200, lambda seen: seen.json["counts"]["journals"] == 1),
    "report-daily": (200, lambda seen: seen.json["day"] == "2026-02-28"),
    "report-reconciliation": (200, lambda seen: (seen.json["status"], seen.json["differences"]) == ("balanced", 0)),
    "rule-create-draft": (201, lambda seen: seen.draft(seen.json["draft_id"]).title == "三月规则"),
    "rule-get-draft": (200, lambda seen: seen.json["draft_id"] == DRAFTS[DraftStatus.DRAFT]),
    "rule-get-schema": (200, lambda seen: seen.json["title"] == "佣金规则"),
    "rule-get-simulation": (200, lambda seen: (seen.json["from"], seen.json["days"]) == ("2026-02-01", 28)),
    "rule-judge-draft": (200, lambda seen: seen.status(DraftStatus.SIMULATED) is DraftStatus.APPROVED),
    "rule-list-drafts": (200, lambda seen: [one["status"] for one in seen.json["items"]] == [*reversed(DRAFTS)]),
    "rule-list-versions": (200, lambda seen: [one["state"] for one in seen.json["items"]] == ["upcoming", "in_force"]),
    "rule-publish-draft": (201, lambda seen: (seen.json["version"], len(RuleStore().versions())) == (3, 3)),
    "rule-put-draft": (200, lambda seen: seen.draft(DRAFTS[DraftStatus.DRAFT]).title == "四月规则"),
    "rule-roll-back": (201, lambda seen: (seen.json["restores"], len(RuleStore().versions())) == (1, 3)),
    "rule-simulate-draft": (202, lambda seen: (seen.json["status"], seen.json["days"]) == ("pending", 59)),
    "rule-validate-draft": (200, lambda seen: seen.status(DraftStatus.DRAFT) is DraftStatus.VALIDATED),
    "wallet": (200, lambda seen: seen.day.wallet(C).available_fen == 49_000),
    "wallet-export-statement": (200, lambda seen: base64.b64decode(seen.text).startswith(b"PK")),
    "wallet-member-statement": (200, lambda seen: [one["source"] for one in seen.json["items"]] == ["earlier"]),
    "wallet-member-wallet": (200, lambda seen: seen.json["available_fen"] == 49_000),
    "wallet-statement": (200, lambda seen: len(seen.json["items"]) == 1),
    "withdrawal-get-withdrawal": (200, lambda seen: seen.json["withdrawal_id"] == WITHDRAWAL),
    "withdrawal-list-withdrawals": (200, lambda seen: len(seen.json["items"]) == 2 and seen.json["next_cursor"]),
    "withdrawal-request-withdrawal": (201, lambda seen: seen.day.wallet(C).reserved_fen == 53_000),
    "withdrawal_review-create-write-off": (
        201,
        lambda seen: (seen.json["kind"], seen.json["facts"]["debt_fen"]) == ("write_off", 5_000),
    ),
    "withdrawal_review-decide-case": (
        201,
        lambda seen: seen.day.desk.books.cases.file(CASE).case.status is CaseStatus.APPROVED,
    ),
    "withdrawal_review-get-case": (200, lambda seen: seen.json["case"]["case_id"] == CASE),
    "withdrawal_review-list-cases": (200, lambda seen: [one["case_id"] for one in seen.json["items"]] == [CASE]),
}


def test_every_http_sample_has_an_expectation() -> None:
    http = [name for name in NAMES if name.partition("-")[0] in OPERATIONS]
    assert sorted([*REFUSED, *DONE]) == http


@pytest.mark.parametrize("name", sorted(DONE))
def test_sample_has_its_effect(invoke: Invoke, day: Day, name: str) -> None:
    status, effect = DONE[name]
    answer = invoke(name.partition("-")[0], event(name))
    assert answer["statusCode"] == status, answer["body"]
    assert effect(Seen(answer["body"], day)), answer["body"]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_sample_without_its_proof_is_refused(invoke: Invoke, name: str) -> None:
    status, code = REFUSED[name]
    answer = invoke(name.partition("-")[0], event(name))
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(answer["body"])["code"] == code


def test_payment_notification_is_taken_in_once_it_is_signed(invoke: Invoke, day: Day, platform: Platform) -> None:
    sample, order = event("payment_notification-payments"), day.order(PLACED)
    payment = {
        "appid": platform.settings.appid,
        "mchid": platform.settings.mchid,
        "out_trade_no": PLACED,
        "transaction_id": "4200000001202603010000000001",
        "trade_state": "SUCCESS",
        "success_time": "2026-03-01T12:00:00+08:00",
        "payer": {"openid": order.openid},
        "amount": {"total": order.total_fen, "payer_total": order.total_fen, "currency": "CNY"},
    }
    body = platform.notification("TRANSACTION.SUCCESS", payment)
    signed = sample | {"body": body.decode(), "headers": sample["headers"] | platform.headers(body)}

    answer = invoke("payment_notification", signed)

    assert answer["statusCode"] == 204, answer["body"]
    assert day.order(PLACED).status is OrderStatus.PAID


def test_evidence_is_given_once_the_log_is_sealed(invoke: Invoke) -> None:
    assert invoke("evidence_seal", event("evidence_seal"))["sealed"] >= 1
    proof, consistency, checkpoint = (
        json.loads(invoke("evidence", event(f"evidence-{name}"))["body"])
        for name in ("prove-journal", "prove-consistency", "latest-checkpoint")
    )
    assert (proof["journal"]["collection"], proof["leaf_index"]) == ("order#earlier", 0)
    assert consistency == {"from_size": 1, "to_size": 1, "path": []}
    assert proof["checkpoint"] == checkpoint
