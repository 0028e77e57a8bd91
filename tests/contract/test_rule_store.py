"""Versions, drafts and simulations on each engine: what excludes each other, and what is written only together."""

from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from fenxiao.commission.draft_store import DraftStore
from fenxiao.commission.drafts import Draft, DraftStaleError, DraftStatus, changed, published, release, validated
from fenxiao.commission.simulation_store import SimulationItem, SimulationStatus, SimulationStore, simulation_from_image
from fenxiao.commission.store import RuleItem, RuleStore, VersionTakenError
from fenxiao.errors import NotFoundError
from fenxiao.ids import Kind, derived_id
from tests.support.drafting import DRAFT_ID, SIMULATION_ID, TERMS, deed, draft_at, saved, simulation, simulation_result
from tests.support.engines import Engine, patiently, refusal
from tests.support.world import NOW, released, rule_set

RESULT = simulation_result()


def draft_id(number: int) -> str:
    return f"U{number:026d}"


# --- versions


@pytest.mark.rule("M10")
def test_of_those_who_publish_at_once_one_gets_the_number(engine: Engine) -> None:
    versions = [released(rule_set(base_bps=(number,))) for number in range(1, 5)]
    publishing = [partial(RuleStore().publish, one) for one in versions]
    answers = engine.at_once(*(partial(refusal, publish, VersionTakenError) for publish in publishing))
    assert sorted(answers, key=str) == [VersionTakenError] * 3 + [None]
    assert RuleStore().history() == (versions[answers.index(None)],)


@pytest.mark.rule("M10")
def test_published_version_is_never_written_again(engine: Engine) -> None:
    first = released(rule_set())
    RuleStore().publish(first)
    with pytest.raises(VersionTakenError):
        RuleStore().publish(released(rule_set(hold_days=90)))
    assert RuleStore().history() == (first,)


@pytest.mark.rule("M10")
def test_versions_come_in_order_and_are_read_anew_within_the_publishing_lead(engine: Engine) -> None:
    seconds = [0.0]
    store = RuleStore(lambda: seconds[0])
    assert store.versions() == ()
    published_rules = [rule_set(version=number, category_bps={"tea": (900,)}) for number in (2, 1, 10)]
    for rules in published_rules:
        RuleStore().publish(released(rules))
    assert store.versions() == ()
    seconds[0] = 61.0
    assert [rules.version for rules in store.versions()] == [1, 2, 10]
    assert store.versions()[0] == published_rules[1]


# --- drafts


def test_draft_comes_back_as_it_was_saved_with_its_next_revision(engine: Engine) -> None:
    drafts, draft = DraftStore(), draft_at(DraftStatus.APPROVED)
    assert drafts.save(draft) == replace(draft, revision=1)
    assert drafts.get(DRAFT_ID) == replace(draft, revision=1)
    assert drafts.save(drafts.get(DRAFT_ID)).revision == 2


@pytest.mark.parametrize("unknown", [draft_id(9), "", "schema", "U" * 2000])
def test_unknown_draft_is_not_found(engine: Engine, unknown: str) -> None:
    with pytest.raises(NotFoundError):
        DraftStore().get(unknown)


def test_draft_is_written_only_on_the_revision_that_was_read(engine: Engine) -> None:
    drafts, first = DraftStore(), saved(DraftStatus.DRAFT)
    second = drafts.save(replace(first, title="二"))
    for stale in (replace(first, title="三"), draft_at(DraftStatus.DRAFT)):
        with pytest.raises(DraftStaleError):
            drafts.save(stale)
    assert drafts.get(DRAFT_ID) == second


def test_changes_at_once_all_count_and_stale_ones_are_refused(engine: Engine) -> None:
    seen = saved(DraftStatus.DRAFT)

    def append(draft: Draft) -> Draft:
        return replace(draft, title=f"{draft.title}+")

    def edit(number: int) -> Draft:
        terms = replace(TERMS, hold_days=number)
        return DraftStore().change(DRAFT_ID, lambda draft: changed(draft, seen.revision, "改", terms, deed()))

    engine.at_once(*[partial(patiently, partial(DraftStore().change, DRAFT_ID, append))] * 3)
    after = DraftStore().get(DRAFT_ID)
    assert (after.title, after.revision) == (f"{seen.title}+++", seen.revision + 3)
    seen = after
    answers = engine.at_once(*(partial(refusal, partial(edit, number), DraftStaleError) for number in range(4)))
    assert sorted(answers, key=str) == [DraftStaleError] * 3 + [None]


def test_change_that_changes_nothing_writes_nothing(engine: Engine) -> None:
    before = saved(DraftStatus.VALIDATED)
    assert DraftStore().change(DRAFT_ID, validated) == before


def test_drafts_are_listed_newest_first_by_pages(engine: Engine) -> None:
    drafts = DraftStore()
    for number in (2, 1, 3):
        saved(DraftStatus.DRAFT, draft_id(number))
    RuleStore().publish(released(rule_set()))
    assert [one.draft_id for one in drafts.page(2, None)] == [draft_id(3), draft_id(2)]
    assert [one.draft_id for one in drafts.page(2, draft_id(2))] == [draft_id(1)]
    assert drafts.page(2, draft_id(1)) == []


# --- publication


@pytest.mark.rule("M10")
def test_draft_and_version_are_written_together_or_not_at_all(engine: Engine) -> None:
    drafts, draft = DraftStore(), saved(DraftStatus.APPROVED)
    version = release(draft, (), None, deed())
    RuleStore().publish(released(rule_set()))
    with pytest.raises(VersionTakenError):
        drafts.save(published(draft, 1), version=version)
    assert drafts.get(DRAFT_ID) == draft
    second = release(draft, RuleStore().history(), None, deed())
    drafts.save(replace(draft, title="改"))
    with pytest.raises(DraftStaleError):
        drafts.save(published(draft, 2), version=second)
    assert len(RuleStore().history()) == 1
    drafts.save(published(drafts.get(DRAFT_ID), 2), version=second)
    assert RuleStore().history()[-1] == second
    assert drafts.get(DRAFT_ID).version == 2


def test_draft_is_published_once_by_many_at_once(engine: Engine) -> None:
    draft = saved(DraftStatus.APPROVED)

    def publish() -> None:
        version = release(draft, RuleStore().history(), None, deed())
        DraftStore().save(published(draft, version.rules.version), version=version)

    answers = engine.at_once(*[partial(refusal, publish, DraftStaleError, VersionTakenError)] * 3)
    assert answers.count(None) == 1
    assert len(RuleStore().history()) == 1


# --- simulations


def test_simulation_is_written_with_its_draft_or_not_at_all(engine: Engine) -> None:
    draft = saved(DraftStatus.VALIDATED)
    asked = simulation(draft)
    with pytest.raises(DraftStaleError):
        DraftStore().save(replace(draft, revision=7), simulation=asked)
    with pytest.raises(NotFoundError):
        SimulationStore().simulation(SIMULATION_ID)
    DraftStore().save(draft, simulation=asked)
    assert SimulationStore().simulation(SIMULATION_ID) == asked
    assert asked.order.days == 28


def test_simulation_goes_forward_only_and_ends_once(engine: Engine) -> None:
    simulations, draft = SimulationStore(), saved(DraftStatus.VALIDATED)
    DraftStore().save(draft, simulation=simulation(draft))
    for done_days in (7, 3):
        simulations.progress(SIMULATION_ID, done_days)
    running = simulations.simulation(SIMULATION_ID)
    assert (running.status, running.done_days, running.result) == (SimulationStatus.RUNNING, 7, None)
    simulations.finish(SIMULATION_ID, RESULT, NOW)
    done = simulations.simulation(SIMULATION_ID)
    assert (done.status, done.result, done.ended_at) == (SimulationStatus.DONE, RESULT, NOW)
    simulations.finish(SIMULATION_ID, simulation_result(orders=4), NOW + timedelta(hours=1))
    simulations.fail(SIMULATION_ID, "超时", NOW + timedelta(hours=1))
    simulations.progress(SIMULATION_ID, 28)
    assert simulations.simulation(SIMULATION_ID) == done


def test_failed_simulation_says_why(engine: Engine) -> None:
    simulations, draft = SimulationStore(), saved(DraftStatus.VALIDATED)
    DraftStore().save(draft, simulation=simulation(draft))
    simulations.fail(SIMULATION_ID, "数据不完整", NOW)
    failed = simulations.simulation(SIMULATION_ID)
    assert (failed.status, failed.failure, failed.result) == (SimulationStatus.FAILED, "数据不完整", None)


def test_progress_of_an_unknown_simulation_makes_none(engine: Engine) -> None:
    unknown = derived_id(Kind.SIMULATION, "unknown")
    SimulationStore().progress(unknown, 1)
    with pytest.raises(NotFoundError):
        SimulationStore().simulation(unknown)


def test_stream_image_of_a_simulation_is_told_from_the_others(engine: Engine) -> None:
    draft = saved(DraftStatus.VALIDATED)
    DraftStore().save(draft, simulation=simulation(draft))
    RuleStore().publish(released(rule_set()))
    image = SimulationItem.get(f"simulation#{SIMULATION_ID}", "simulation").serialize()
    assert simulation_from_image(image) == simulation(draft)
    assert simulation_from_image(RuleItem.get("rules", "000001").serialize()) is None
