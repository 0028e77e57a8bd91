from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fenxiao import wiring
from fenxiao.commission.draft_store import DraftStore
from fenxiao.commission.drafts import DraftStatus
from fenxiao.commission.publish import RuleDesk
from fenxiao.commission.store import RuleStore
from fenxiao.identity.model import Staff
from fenxiao.identity.store import StaffStore
from functions.rule.app import lambda_handler as rule
from tests.support import json_schema
from tests.support.drafting import DRAFT_ID, TERMS, saved, simulation_result
from tests.support.http import Answer, call
from tests.support.world import NOW, FrozenClock, released, rule_set
from tests.unit.events.day import forget_wiring

DOCUMENT = {"base_bps": [1000, 500, 200], "cap_bps": 2000, "hold_days": 7}
DAYS = {"from": "2026-02-01", "to": "2026-02-28"}
ROLES = {
    "author": "operations",
    "lead": "finance_lead",
    "admin": "administrator",
    "admin-2": "administrator",
    "finance": "finance",
}
"""Staff by id; the author and `admin` are one person."""


@pytest.fixture
def clock(tables: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FrozenClock]:
    clock = FrozenClock()
    forget_wiring()
    monkeypatch.setattr(wiring, "clock", lambda: clock)
    for staff_id, role in ROLES.items():
        person = "person-1" if staff_id in {"author", "admin"} else None
        StaffStore().create(Staff(staff_id=staff_id, name=staff_id, roles=(role,), key_hash="k", person=person))
    yield clock
    monkeypatch.undo()
    forget_wiring()


@pytest.fixture
def desk(clock: FrozenClock) -> RuleDesk:
    return wiring.rule_desk()


def ask(
    staff: str,
    method: str,
    resource: str,
    body: object = None,
    draft: str = DRAFT_ID,
    query: dict[str, str] | None = None,
) -> Answer:
    path = {"draft": draft} if "{draft}" in resource else None
    return call(rule, method, resource, path=path, body=body, query=query, staff=staff, roles=ROLES[staff])


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def judge(staff: str, revision: int, verdict: str = "approve") -> Answer:
    body = {"revision": revision, "verdict": verdict, "comment": "核对过"}
    return ask(staff, "POST", "/rules/{draft}/approval", body)


def test_the_life_of_a_rule_set(clock: FrozenClock, desk: RuleDesk) -> None:
    created = ask("author", "POST", "/rules/drafts", {"title": "三月规则", "terms": DOCUMENT})
    draft = created.json["draft_id"]
    assert (created.status, created.json["status"], created.json["revision"]) == (201, "draft", 1)
    assert ask("author", "POST", "/rules/{draft}/validate", draft=draft).json["status"] == "validated"
    asked = ask("author", "POST", "/rules/{draft}/simulate", DAYS, draft)
    assert (asked.status, asked.json["status"], asked.json["days"]) == (202, "pending", 28)
    desk.simulations.progress(asked.json["simulation_id"], 14)
    assert ask("lead", "GET", "/rules/{draft}/simulation", draft=draft).json["done_days"] == 14
    for _ in range(2):
        desk.end_simulation(asked.json["simulation_id"], simulation_result(orders=3))
    done = ask("lead", "GET", "/rules/{draft}/simulation", draft=draft).json
    assert (done["status"], done["result"]["total"]["orders"]) == ("done", 3)

    simulated = ask("lead", "GET", "/rules/{draft}", draft=draft).json
    assert (simulated["status"], simulated["simulated_at"]) == ("simulated", "2026-03-01T12:00:00+08:00")
    body = {"revision": simulated["revision"], "verdict": "approve", "comment": "核对过"}
    approved = ask("lead", "POST", "/rules/{draft}/approval", body, draft).json
    assert (approved["status"], approved["approval"]["staff_id"]) == ("approved", "lead")
    published = ask("author", "POST", "/rules/{draft}/publication", {}, draft)
    assert published.status == 201
    assert published.json == {
        "version": 1,
        "state": "upcoming",
        "effective_from": "2026-03-01T12:05:00+08:00",
        "title": "三月规则",
        "published_by": "author",
        "published_at": "2026-03-01T12:00:00+08:00",
        "draft_id": draft,
        "author": "author",
        "approver": "lead",
        "restores": None,
        "reason": None,
        "terms": approved["terms"],
    }
    clock.moment += timedelta(minutes=5)
    (listed,) = ask("finance", "GET", "/rules").json["items"]
    assert listed == published.json | {"state": "in_force"}
    final = ask("finance", "GET", "/rules/{draft}", draft=draft).json
    assert (final["status"], final["version"]) == ("published", 1)
    assert refusal(ask("author", "POST", "/rules/{draft}/publication", {}, draft)) == (409, "draft_state")


def test_a_draft_that_breaks_limits_is_refused_with_every_fault_at_once(clock: FrozenClock) -> None:
    document = {
        "base_bps": [2001, 1, 1, 1],
        "cap_bps": 2000,
        "hold_days": 7,
        "overrides": [{"category": "tea", "rates_bps": [1]}, {"category": "tea", "rates_bps": [2]}],
        "ladder": [{"from_fen": 500, "rate_bps": 100}, {"from_fen": 400, "rate_bps": 200}],
    }
    draft = ask("author", "POST", "/rules/drafts", {"title": "错", "terms": document}).json["draft_id"]
    refused = ask("author", "POST", "/rules/{draft}/validate", draft=draft)
    assert refusal(refused) == (400, "invalid_rules")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert [fault["path"] for fault in refused.json["faults"]] == [
        "$.base_bps",
        "$.base_bps[0]",
        "$.base_bps",
        "$.overrides[1]",
        "$.ladder[1].from_fen",
    ]
    assert all(fault["message"] in refused.json["detail"] for fault in refused.json["faults"])
    assert DraftStore().get(draft).status is DraftStatus.DRAFT


def test_a_document_of_another_form_is_refused_with_its_place(clock: FrozenClock) -> None:
    for terms, place in (
        (DOCUMENT | {"hold_days": "7"}, "$.terms.hold_days"),
        (DOCUMENT | {"overrides": [{"tier": "platinum", "rates_bps": []}]}, "$.terms.overrides[0].tier"),
        (DOCUMENT | {"fourth_level": 1}, "$.terms"),
    ):
        refused = ask("author", "POST", "/rules/drafts", {"title": "错", "terms": terms})
        assert refusal(refused) == (400, "invalid_body")
        assert place in refused.json["detail"]
    assert ask("author", "GET", "/rules/drafts").json["items"] == []


def test_a_stale_page_changes_nothing(clock: FrozenClock) -> None:
    saved(DraftStatus.APPROVED)
    put = {"revision": 1, "title": "四月规则", "terms": DOCUMENT}
    changed = ask("admin-2", "PUT", "/rules/{draft}", put)
    assert (changed.status, changed.json["status"], changed.json["approval"]) == (200, "draft", None)
    assert (changed.json["created_by"], changed.json["changed_by"]) == ("S1", "admin-2")
    assert refusal(ask("author", "PUT", "/rules/{draft}", put)) == (409, "draft_stale")
    assert DraftStore().get(DRAFT_ID).revision == 2


def test_a_draft_is_approved_by_another_person(clock: FrozenClock) -> None:
    draft = saved(DraftStatus.SIMULATED)
    store = DraftStore()
    by_author = replace(draft.created, staff_id="author", person="person-1")
    draft = store.save(replace(draft, created=by_author, changed=by_author))
    assert refusal(judge("admin", draft.revision)) == (403, "own_draft")
    assert refusal(judge("author", draft.revision)) == (403, "forbidden")
    assert refusal(judge("finance", draft.revision)) == (403, "forbidden")
    assert refusal(judge("lead", draft.revision - 1)) == (409, "draft_stale")
    assert judge("admin-2", draft.revision).json["status"] == "approved"


def test_a_rejection_puts_the_draft_back_with_its_reason(clock: FrozenClock) -> None:
    saved(DraftStatus.SIMULATED)
    rejected = judge("lead", 1, "reject").json
    assert (rejected["status"], rejected["rejection"]["comment"]) == ("draft", "核对过")
    assert refusal(ask("author", "GET", "/rules/{draft}/simulation")) == (404, "not_simulated")


@pytest.mark.parametrize(
    ("method", "resource", "body", "allowed"),
    [
        ("POST", "/rules/drafts", {"title": "规则", "terms": DOCUMENT}, {"operations", "administrator"}),
        ("PUT", "/rules/{draft}", {"revision": 1, "title": "规则", "terms": DOCUMENT}, {"operations", "administrator"}),
        ("POST", "/rules/{draft}/validate", None, {"operations", "administrator"}),
        ("POST", "/rules/{draft}/simulate", DAYS, {"operations", "administrator"}),
        ("POST", "/rules/{draft}/approval", {}, {"finance_lead", "administrator"}),
        ("POST", "/rules/{draft}/publication", {}, {"operations", "administrator"}),
        ("POST", "/rules/rollback", {"to_version": 1, "reason": "错"}, {"finance_lead", "administrator"}),
        ("GET", "/rules", None, set(ROLES.values())),
        ("GET", "/rules/drafts", None, set(ROLES.values())),
        ("GET", "/rules/{draft}", None, set(ROLES.values())),
        ("GET", "/rules/{draft}/simulation", None, set(ROLES.values())),
    ],
)
def test_each_step_is_for_its_roles(
    clock: FrozenClock, method: str, resource: str, body: object, allowed: set[str]
) -> None:
    path = {"draft": DRAFT_ID} if "{draft}" in resource else None
    for staff, role in ROLES.items():
        assert (ask(staff, method, resource, body).status != 403) == (role in allowed), role
    assert call(rule, method, resource, path=path, body=body, member="M1").status == 403
    assert call(rule, method, resource, path=path, body=body).status == 401


@pytest.mark.parametrize(
    ("days", "status"),
    [
        (("2025-01-26", "2026-03-01"), 202),  # 400 days, to today
        (("2026-03-01", "2026-03-01"), 202),
        (("2025-01-25", "2026-03-01"), 400),
        (("2026-03-01", "2026-03-02"), 400),  # tomorrow
        (("2026-02-02", "2026-02-01"), 400),
        (("2026-02-30", "2026-03-01"), 400),
    ],
)
def test_days_to_simulate_are_bounded(clock: FrozenClock, days: tuple[str, str], status: int) -> None:
    saved(DraftStatus.VALIDATED)
    answer = ask("author", "POST", "/rules/{draft}/simulate", {"from": days[0], "to": days[1]})
    assert answer.status == status, answer.text
    assert (DraftStore().get(DRAFT_ID).simulation_id is not None) == (status == 202)


def test_a_simulation_that_was_overtaken_or_failed_takes_no_draft_on(clock: FrozenClock, desk: RuleDesk) -> None:
    saved(DraftStatus.VALIDATED)
    first, second = (ask("author", "POST", "/rules/{draft}/simulate", DAYS).json["simulation_id"] for _ in range(2))
    desk.end_simulation(first, simulation_result(orders=3))
    assert desk.drafts.get(DRAFT_ID).status is DraftStatus.VALIDATED
    desk.simulations.fail(second, "数据不完整", NOW)
    desk.end_simulation(second, simulation_result(orders=3))
    assert desk.drafts.get(DRAFT_ID).status is DraftStatus.VALIDATED
    failed = ask("author", "GET", "/rules/{draft}/simulation").json
    assert (failed["simulation_id"], failed["status"], failed["failure"]) == (second, "failed", "数据不完整")


@pytest.mark.rule("M10")
@pytest.mark.parametrize(
    ("effective_from", "answer"),
    [
        ("2026-03-01T12:05:00+08:00", (201, "2026-03-01T12:05:00+08:00")),
        ("2026-03-02T00:00:00Z", (201, "2026-03-02T08:00:00+08:00")),
        ("2026-03-01T12:04:59+08:00", (400, "bad_effective_from")),
        ("2027-03-03T12:00:00+08:00", (400, "bad_effective_from")),
        ("2026-03-02T00:00:00", (400, "invalid_body")),  # in no zone
    ],
)
def test_a_version_takes_effect_when_asked_and_never_at_once(
    clock: FrozenClock, effective_from: str, answer: tuple[int, str]
) -> None:
    saved(DraftStatus.APPROVED)
    published = ask("author", "POST", "/rules/{draft}/publication", {"effective_from": effective_from})
    assert (published.status, published.json.get("effective_from") or published.json["code"]) == answer
    assert len(RuleStore().history()) == (published.status == 201)


@pytest.mark.rule("M10")
def test_a_rollback_publishes_the_old_terms_anew(clock: FrozenClock) -> None:
    old, new = rule_set(), replace(rule_set(version=2, hold_days=9), effective_from=NOW - timedelta(days=1))
    for rules in (old, new):
        RuleStore().publish(released(rules))
    back = ask("lead", "POST", "/rules/rollback", {"to_version": 1, "reason": "投诉过多"})
    assert back.status == 201
    assert (back.json["version"], back.json["restores"], back.json["reason"]) == (3, 1, "投诉过多")
    assert back.json["effective_from"] == "2026-03-01T12:05:00+08:00"
    assert back.json["terms"]["hold_days"] == 7
    assert refusal(ask("admin", "POST", "/rules/rollback", {"to_version": 1, "reason": "又"})) == (
        409,
        "rollback_target",
    )
    assert refusal(ask("admin", "POST", "/rules/rollback", {"to_version": 9, "reason": "又"})) == (
        404,
        "no_such_version",
    )

    def states() -> list[str]:
        return [one["state"] for one in reversed(ask("finance", "GET", "/rules").json["items"])]

    assert states() == ["superseded", "in_force", "upcoming"]
    clock.moment += timedelta(minutes=5)
    assert states() == ["superseded", "rolled_back", "in_force"]


def test_lists_are_paged_newest_first(clock: FrozenClock) -> None:
    for number in range(1, 4):
        RuleStore().publish(released(rule_set(version=number)))
        saved(DraftStatus.DRAFT, f"U{number:026d}")

    def pages(resource: str, name: str) -> list[list[Any]]:
        first = ask("finance", "GET", resource, query={"limit": "2"}).json
        second = ask("finance", "GET", resource, query={"limit": "2", "cursor": first["next_cursor"]}).json
        assert second["next_cursor"] is None
        return [[one[name] for one in page["items"]] for page in (first, second)]

    assert pages("/rules", "version") == [[3, 2], [1]]
    assert pages("/rules/drafts", "draft_id") == [[f"U{3:026d}", f"U{2:026d}"], [f"U{1:026d}"]]
    for resource in ("/rules", "/rules/drafts"):
        assert refusal(ask("finance", "GET", resource, query={"cursor": "x"})) == (400, "bad_cursor")
        assert refusal(ask("finance", "GET", resource, query={"limit": "101"})) == (400, "bad_limit")


def test_what_does_not_exist_is_not_found(clock: FrozenClock) -> None:
    for method, resource in (("GET", "/rules/{draft}"), ("POST", "/rules/{draft}/validate")):
        assert refusal(ask("admin", method, resource, draft="schemas")) == (404, "not_found")
    assert refusal(ask("author", "GET", "/rules/{draft}/simulation")) == (404, "not_found")


def test_schema_is_public() -> None:
    answer = call(rule, "GET", "/rules/schema")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/schema+json")
    assert json_schema.faults(answer.json, msgspec.json.decode(msgspec.json.encode(TERMS))) == []
