"""HTTP contracts of rule sets: drafts, simulations, versions."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

import msgspec

from fenxiao.clock import SHANGHAI, Clock
from fenxiao.commission.draft_store import DraftStore
from fenxiao.commission.drafts import Draft, DraftStatus, Judgement, Version, VersionState, state_of
from fenxiao.commission.rules import RuleTerms, terms_of
from fenxiao.commission.simulation_result import SimulationResult
from fenxiao.commission.simulation_store import Simulation, SimulationStatus
from fenxiao.commission.store import RuleStore
from fenxiao.http import cursor
from fenxiao.http.pages import Page, page_limit
from fenxiao.review.model import Verdict

type Title = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
type Comment = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]

_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCHEMA_TEXT = "金额单位为分，比例单位为基点（万分之一）。虚拟商品与运费一律不计佣金。"


class WriteDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new draft; its terms may still break limits, which validating it names all at once."""

    title: Title
    terms: RuleTerms


class ChangeDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A draft's new title and terms; `revision` is the one that the caller has read."""

    revision: int
    title: Title
    terms: RuleTerms


class SimulateDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Shanghai days whose paid orders are simulated, both inclusive."""

    from_day: date = msgspec.field(name="from")
    to_day: date = msgspec.field(name="to")


class JudgeDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An approver's word on the revision that they have read."""

    revision: int
    verdict: Verdict
    comment: Comment


class PublishDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When it takes effect, RFC 3339; five minutes from now when left out."""

    effective_from: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class RollBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version whose terms are to hold again, and why."""

    to_version: int
    reason: Comment


class JudgementView(msgspec.Struct, frozen=True):
    """What an approver said."""

    staff_id: str
    at: datetime
    comment: str


class DraftSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A draft in the list."""

    draft_id: str
    title: str
    status: DraftStatus
    revision: int
    created_by: str
    created_at: datetime
    changed_by: str
    """Who wrote the terms as they are."""
    changed_at: datetime
    simulated_at: datetime | None
    approval: JudgementView | None
    rejection: JudgementView | None
    """Why it was put back."""
    version: int | None
    """The version that it was published as."""


class DraftView(DraftSummary, frozen=True, kw_only=True):
    """A draft with its terms."""

    terms: RuleTerms


class SimulationView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a simulation is, and its result once it is done."""

    simulation_id: str
    status: SimulationStatus
    from_day: date = msgspec.field(name="from")
    to_day: date = msgspec.field(name="to")
    days: int
    done_days: int
    asked_at: datetime
    ended_at: datetime | None
    result: SimulationResult | None
    failure: str | None


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """A published version: where it stands now, how it came to be, and what it says."""

    version: int
    state: VersionState
    effective_from: datetime
    title: str
    published_by: str
    published_at: datetime
    draft_id: str | None
    author: str | None
    approver: str | None
    restores: int | None
    """The version whose terms a rollback brought back."""
    reason: str | None
    terms: RuleTerms


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a rule set's terms, told in Chinese.

    It holds what one field can be wrong in by itself; `rules.faults` knows what fields do to each other, too.
    """
    document = msgspec.json.schema(Annotated[RuleTerms, msgspec.Meta(title="佣金规则", description=_SCHEMA_TEXT)])
    for definition in document["$defs"].values():
        definition.pop("description", None)  # the docstring, which speaks to developers
    return {"$schema": _SCHEMA_DIALECT, **document}


def draft_view(draft: Draft) -> DraftView:
    """Return a draft for the staff."""
    return DraftView(**_summary(draft), terms=draft.terms)


def draft_page(query: Mapping[str, str], drafts: DraftStore) -> Page[DraftSummary]:
    """Return a page of drafts, the newest first.

    Raises:
        BadCursorError, BadLimitError: a query parameter is not one of ours.
    """
    limit = page_limit(query)
    before = cursor.decode(query["cursor"], tuple[str])[0] if "cursor" in query else None
    found = drafts.page(limit + 1, before)
    shown = found[:limit]
    more = len(found) > limit
    return Page([DraftSummary(**_summary(one)) for one in shown], cursor.encode(shown[-1].draft_id) if more else None)


def simulation_view(simulation: Simulation) -> SimulationView:
    """Return a simulation for the staff."""
    order = simulation.order
    return SimulationView(
        simulation_id=simulation.simulation_id,
        status=simulation.status,
        from_day=order.from_day,
        to_day=order.to_day,
        days=order.days,
        done_days=simulation.done_days,
        asked_at=order.asked_at.astimezone(SHANGHAI),
        ended_at=simulation.ended_at.astimezone(SHANGHAI) if simulation.ended_at else None,
        result=simulation.result,
        failure=simulation.failure,
    )


def new_version_view(version: Version) -> VersionView:
    """Return a version for the staff who just published it."""
    return version_view(version, (version,), version.release.published_at)


def version_view(version: Version, history: Sequence[Version], now: datetime) -> VersionView:
    """Return a version for the staff, as it stands among all versions."""
    release = version.release
    return VersionView(
        version=version.rules.version,
        state=state_of(version, history, now),
        effective_from=version.rules.effective_from.astimezone(SHANGHAI),
        title=release.title,
        published_by=release.published_by,
        published_at=release.published_at.astimezone(SHANGHAI),
        draft_id=release.draft_id,
        author=release.author,
        approver=release.approver,
        restores=release.restores,
        reason=release.reason,
        terms=terms_of(version.rules),
    )


def version_page(query: Mapping[str, str], rules: RuleStore, clock: Clock) -> Page[VersionView]:
    """Return a page of versions, the newest first.

    Raises:
        BadCursorError, BadLimitError: a query parameter is not one of ours.
    """
    limit, now = page_limit(query), clock.now()
    before = cursor.decode(query["cursor"], tuple[int])[0] if "cursor" in query else None
    history = rules.history()
    rest = [one for one in reversed(history) if before is None or one.rules.version < before]
    more = len(rest) > limit
    return Page(
        [version_view(one, history, now) for one in rest[:limit]],
        cursor.encode(rest[limit - 1].rules.version) if more else None,
    )


def _summary(draft: Draft) -> dict[str, Any]:
    return {
        "draft_id": draft.draft_id,
        "title": draft.title,
        "status": draft.status,
        "revision": draft.revision,
        "created_by": draft.created.staff_id,
        "created_at": draft.created.at.astimezone(SHANGHAI),
        "changed_by": draft.changed.staff_id,
        "changed_at": draft.changed.at.astimezone(SHANGHAI),
        "simulated_at": draft.simulated_at.astimezone(SHANGHAI) if draft.simulated_at else None,
        "approval": _judgement_view(draft.approval),
        "rejection": _judgement_view(draft.rejection),
        "version": draft.version,
    }


def _judgement_view(judgement: Judgement | None) -> JudgementView | None:
    if judgement is None:
        return None
    deed = judgement.deed
    return JudgementView(deed.staff_id, deed.at.astimezone(SHANGHAI), judgement.comment)
