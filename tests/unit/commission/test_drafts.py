from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from fenxiao.commission.drafts import (
    Draft,
    DraftStaleError,
    DraftStateError,
    DraftStatus,
    EffectiveTimeError,
    NoSuchVersionError,
    OwnDraftError,
    Release,
    RollbackTargetError,
    TooManyVersionsError,
    Version,
    VersionState,
    approved,
    begun,
    changed,
    published,
    rejected,
    release,
    rollback,
    simulated,
    simulation_asked,
    state_of,
    validated,
)
from fenxiao.commission.rules import PUBLISHING_LEAD, RuleFaultError, in_force, rule_set, terms_of
from tests.support.drafting import DRAFT_ID, SIMULATION_ID, TERMS, deed, draft_at, judgement
from tests.support.world import NOW

OTHER_TERMS = replace(TERMS, hold_days=9)
HOUR = timedelta(hours=1)

STEPS: dict[str, Callable[[Draft], Draft]] = {
    "retitled": lambda draft: changed(draft, draft.revision, "四月规则", TERMS, deed("S3")),
    "changed": lambda draft: changed(draft, draft.revision, draft.title, OTHER_TERMS, deed("S3")),
    "validated": validated,
    "simulation asked": lambda draft: simulation_asked(draft, "another"),
    "simulated": lambda draft: simulated(draft, draft.simulation_id or "another", NOW + HOUR),
    "approved": lambda draft: approved(draft, draft.revision, judgement()),
    "rejected": lambda draft: rejected(draft, draft.revision, judgement()),
    "published": lambda draft: published(draft, 5),
}
D, V, S, A, P = DraftStatus
LEADS_TO: dict[str, dict[DraftStatus, DraftStatus]] = {
    "retitled": {D: D, V: V, S: S, A: A},
    "changed": {D: D, V: D, S: D, A: D},
    "validated": {D: V, V: V, S: S, A: A},
    "simulation asked": {V: V, S: V},
    "simulated": {D: D, V: V, S: S, A: A, P: P},
    "approved": {S: A},
    "rejected": {S: D, A: D},
    "published": {A: P},
}
"""Where each step leads from each status; from any other it is refused."""


@pytest.mark.parametrize("status", DraftStatus)
@pytest.mark.parametrize("step", STEPS)
def test_each_step_leads_where_it_should_and_nowhere_else(step: str, status: DraftStatus) -> None:
    draft = draft_at(status)
    if status in LEADS_TO[step]:
        assert STEPS[step](draft).status is LEADS_TO[step][status]
    else:
        with pytest.raises(DraftStateError) as refused:
            STEPS[step](draft)
        assert refused.value.detail.startswith("当前状态：")


def test_a_draft_begins_with_any_terms_and_is_validated_when_they_keep_every_limit() -> None:
    broken = begun(DRAFT_ID, "三月规则", replace(TERMS, base_bps=(5001, 1, 1, 1)), deed())
    assert (broken.status, broken.created, broken.changed) == (D, deed(), deed())
    with pytest.raises(RuleFaultError) as refused:
        validated(broken)
    assert [fault.path for fault in refused.value.faults] == ["$.base_bps", "$.base_bps[0]", "$.base_bps"]
    assert validated(changed(broken, 0, broken.title, TERMS, deed())).status is V


@pytest.mark.parametrize("status", [V, S, A])
def test_other_terms_forget_validation_simulation_and_approval(status: DraftStatus) -> None:
    draft = replace(draft_at(status), rejection=judgement())
    after = changed(draft, 0, "四月规则", OTHER_TERMS, deed("S3"))
    expected = begun(DRAFT_ID, "四月规则", OTHER_TERMS, deed())
    assert after == replace(expected, changed=deed("S3"))


@pytest.mark.parametrize("status", [D, V, S, A])
def test_another_title_alone_forgets_nothing(status: DraftStatus) -> None:
    draft = draft_at(status)
    assert changed(draft, 0, "四月规则", TERMS, deed("S3")) == replace(draft, title="四月规则")


@pytest.mark.parametrize("revision", [2, 4])
def test_who_saw_another_revision_neither_changes_nor_judges(revision: int) -> None:
    draft = replace(draft_at(S), revision=3)
    with pytest.raises(DraftStaleError):
        changed(draft, revision, draft.title, OTHER_TERMS, deed())
    for judge in (approved, rejected):
        with pytest.raises(DraftStaleError):
            judge(draft, revision, judgement())


def test_only_the_last_simulation_of_the_present_terms_counts() -> None:
    first = simulation_asked(draft_at(V), "first")
    second = simulation_asked(first, "second")
    assert simulated(second, "first", NOW) == second
    assert simulated(second, "second", NOW) == replace(second, status=S, simulated_at=NOW)
    assert simulated(changed(first, 0, first.title, OTHER_TERMS, deed()), "first", NOW).status is D


def test_asking_anew_takes_back_that_it_is_simulated() -> None:
    after = simulation_asked(draft_at(S), "another")
    assert (after.status, after.simulation_id, after.simulated_at) == (V, "another", None)


def test_an_end_told_twice_changes_nothing() -> None:
    draft = draft_at(S)
    assert simulated(draft, SIMULATION_ID, NOW + HOUR) == draft


@pytest.mark.parametrize(
    ("author", "editor", "approver"),
    [
        (("S1", None), ("S1", None), ("S1", None)),
        (("S1", None), ("S2", None), ("S1", None)),
        (("S1", None), ("S2", None), ("S2", None)),
        (("S1", "p1"), ("S1", "p1"), ("S2", "p1")),
        (("S1", "p1"), ("S2", "p2"), ("S3", "p1")),
        (("S1", "p1"), ("S2", "p2"), ("S3", "p2")),
    ],
)
def test_nobody_approves_what_they_wrote_under_whatever_account(
    author: tuple[str, str | None], editor: tuple[str, str | None], approver: tuple[str, str | None]
) -> None:
    draft = replace(draft_at(S), created=deed(*author), changed=deed(*editor))
    with pytest.raises(OwnDraftError):
        approved(draft, 0, judgement(*approver))
    assert approved(draft, 0, judgement("S9", "p9")).status is A
    assert approved(draft, 0, judgement("S9")).status is A


def test_an_approval_is_kept_and_ends_an_earlier_rejection() -> None:
    approval = judgement("S2", comment="可以")
    after = approved(replace(draft_at(S), rejection=judgement()), 0, approval)
    assert (after.approval, after.rejection) == (approval, None)


@pytest.mark.parametrize("status", [S, A])
def test_a_rejection_puts_the_draft_back_with_the_reason(status: DraftStatus) -> None:
    reason = judgement(comment="成本过高")
    assert rejected(draft_at(status), 0, reason) == replace(draft_at(D), rejection=reason)


# --- publication


def history(*published_versions: tuple[float, int | None]) -> list[Version]:
    """Versions by the hour from which they take effect, counted from now, and the version that they restore."""
    versions: list[Version] = []
    for number, (hour, restores) in enumerate(published_versions, 1):
        terms = terms_of(versions[restores - 1].rules) if restores else replace(TERMS, hold_days=number)
        effective_from = NOW + hour * HOUR
        record = Release(
            title=f"第 {number} 版", published_by="S1", published_at=effective_from - PUBLISHING_LEAD, restores=restores
        )
        versions.append(Version(rule_set(terms, number, effective_from), record))
    return versions


@pytest.mark.rule("M10")
def test_a_version_takes_effect_five_minutes_after_publishing_if_nothing_else_is_asked() -> None:
    draft, by = draft_at(A), deed("S4")
    version = release(draft, history((-2, None), (-1, None)), None, by)
    assert version.rules == rule_set(TERMS, 3, NOW + timedelta(minutes=5))
    assert version.release == Release(
        title="三月规则", published_by="S4", published_at=NOW, draft_id=DRAFT_ID, author="S1", approver="S2"
    )
    assert release(draft, [], None, by).rules.version == 1
    assert published(draft, 3) == replace(draft, status=P, version=3)


@pytest.mark.rule("M10")
def test_a_version_takes_effect_five_minutes_ahead_at_the_earliest_and_a_year_at_the_latest() -> None:
    for ahead in (PUBLISHING_LEAD, HOUR, timedelta(days=366)):
        assert release(draft_at(A), [], NOW + ahead, deed()).rules.effective_from == NOW + ahead
    for ahead in (PUBLISHING_LEAD - timedelta(microseconds=1), -HOUR, timedelta(days=366, microseconds=1)):
        with pytest.raises(EffectiveTimeError):
            release(draft_at(A), [], NOW + ahead, deed())


@pytest.mark.parametrize("status", [D, V, S, P])
def test_only_an_approved_draft_is_published(status: DraftStatus) -> None:
    with pytest.raises(DraftStateError):
        release(draft_at(status), [], None, deed())


def test_what_breaks_limits_by_now_is_not_published() -> None:
    with pytest.raises(RuleFaultError):
        release(replace(draft_at(A), terms=replace(TERMS, hold_days=91)), [], None, deed())


def test_versions_are_limited() -> None:
    (last,) = history((-1, None))
    full = [replace(last, rules=replace(last.rules, version=1000))]
    with pytest.raises(TooManyVersionsError):
        release(draft_at(A), full, None, deed())
    nearly = [replace(last, rules=replace(last.rules, version=999))]
    assert release(draft_at(A), nearly, None, deed()).rules.version == 1000


@pytest.mark.rule("M10")
def test_a_rollback_is_a_new_version_with_the_old_terms() -> None:
    before = history((-3, None), (-2, None), (-1, None))
    version = rollback(before, 1, "成本过高", deed("S5"))
    assert version.rules == rule_set(terms_of(before[0].rules), 4, NOW + timedelta(minutes=5))
    assert version.release == Release(
        title="第 1 版", published_by="S5", published_at=NOW, restores=1, reason="成本过高"
    )
    assert before[0].rules.version == 1


@pytest.mark.rule("M10")
def test_a_rollback_holds_against_a_version_that_would_take_effect_later() -> None:
    before = history((-2, None), (10, None))
    versions = [one.rules for one in (*before, rollback(before, 1, "提前取消", deed()))]
    found = in_force(versions, NOW + 11 * HOUR)
    assert found is not None
    assert found.version == 3


@pytest.mark.parametrize(
    ("versions", "target"),
    [
        ([(-2, None), (-1, None)], 2),  # the last one
        ([(-3, None), (-2, None), (-1, 1)], 1),  # rolled back already
        ([(-3, None), (1, None), (2, None)], 2),  # never was in force
        ([(-3, None), (-1, None), (-2, None)], 2),  # passed over
    ],
)
def test_a_rollback_needs_another_version_that_was_in_force(
    versions: list[tuple[float, int | None]], target: int
) -> None:
    with pytest.raises(RollbackTargetError):
        rollback(history(*versions), target, "成本过高", deed())


@pytest.mark.parametrize("target", [0, 3, -1])
def test_a_rollback_to_no_version_is_refused(target: int) -> None:
    with pytest.raises(NoSuchVersionError):
        rollback(history((-2, None), (-1, None)), target, "成本过高", deed())


UPCOMING, IN_FORCE, SUPERSEDED, ROLLED_BACK = VersionState


@pytest.mark.rule("M10")
@pytest.mark.parametrize(
    ("versions", "states"),
    [
        ([(-1, None)], [IN_FORCE]),
        ([(0, None)], [IN_FORCE]),
        ([(1, None)], [UPCOMING]),
        ([(-1, None), (1, None)], [IN_FORCE, UPCOMING]),
        ([(-2, None), (-1, None)], [SUPERSEDED, IN_FORCE]),
        ([(-1, None), (5, None), (3, None)], [IN_FORCE, SUPERSEDED, UPCOMING]),
        ([(-3, None), (-2, None), (-1, 1)], [SUPERSEDED, ROLLED_BACK, IN_FORCE]),
        ([(-3, None), (-2, None), (1, 1)], [SUPERSEDED, IN_FORCE, UPCOMING]),
        ([(-3, None), (5, None), (1, 1)], [IN_FORCE, ROLLED_BACK, UPCOMING]),
        ([(-3, None), (5, None), (-1, 1)], [SUPERSEDED, ROLLED_BACK, IN_FORCE]),
        ([(-4, None), (-3, None), (-2, 1), (-1, None)], [SUPERSEDED, ROLLED_BACK, SUPERSEDED, IN_FORCE]),
        ([(-4, None), (-3, None), (-2, None), (-1, 1)], [SUPERSEDED, SUPERSEDED, ROLLED_BACK, IN_FORCE]),
    ],
)
def test_where_a_version_stands_follows_from_the_others(
    versions: list[tuple[float, int | None]], states: list[VersionState]
) -> None:
    all_versions = history(*versions)
    assert [state_of(one, all_versions, NOW) for one in all_versions] == states
    now_in_force = in_force([one.rules for one in all_versions], NOW)
    assert [one.rules for one in all_versions if state_of(one, all_versions, NOW) is IN_FORCE] == (
        [now_in_force] if now_in_force else []
    )
