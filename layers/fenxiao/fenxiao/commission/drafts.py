"""The life of a rule set: draft → validated → simulated → approved → published → superseded or rolled back. Pure.

A change of the terms takes a draft back to where it began. What is approved is therefore what was validated and
simulated, and it is approved by another person than wrote it. What is published never changes; where it stands follows
from the versions after it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from fenxiao.commission.rules import PUBLISHING_LEAD, RuleSet, RuleTerms, check, in_force, rule_set, terms_of
from fenxiao.errors import BadRequestError, ConflictError, ForbiddenError, NotFoundError

_PUBLISHING_HORIZON: Final = timedelta(days=366)
MAX_VERSIONS: Final = 1000


class DraftStatus(StrEnum):
    """How far a draft has come."""

    DRAFT = "draft"
    VALIDATED = "validated"
    SIMULATED = "simulated"
    APPROVED = "approved"
    PUBLISHED = "published"


class Deed(Struct, frozen=True, kw_only=True):
    """Who did something, and when; `person` is the keyed HMAC of who they are, `None` while that is not known."""

    staff_id: str
    person: str | None
    at: datetime

    def is_by_same(self, other: "Deed") -> bool:
        """Tell whether both were done by one staff member, or by one person under two accounts."""
        return self.staff_id == other.staff_id or (self.person is not None and self.person == other.person)


class Judgement(Struct, frozen=True, kw_only=True):
    """What an approver said."""

    deed: Deed
    comment: str


class Draft(Struct, frozen=True, kw_only=True):
    """A rule set in the making. `revision` counts its writes: each write requires the revision that was read."""

    draft_id: str
    title: str
    terms: RuleTerms
    status: DraftStatus = DraftStatus.DRAFT
    created: Deed
    changed: Deed
    """Who wrote the terms as they are."""
    simulation_id: str | None = None
    """The last simulation that was asked for with these terms."""
    simulated_at: datetime | None = None
    """When that simulation ended."""
    approval: Judgement | None = None
    rejection: Judgement | None = None
    """Why it was put back, until the terms change."""
    version: int | None = None
    """The version that it was published as."""
    revision: int = 0


class Release(Struct, frozen=True, kw_only=True):
    """How a version came to be."""

    title: str
    published_by: str
    """The staff member who published it, or rolled back to what it restores."""
    published_at: datetime
    draft_id: str | None = None
    author: str | None = None
    """The staff member who wrote its terms; nobody new in a rollback, as with the approver."""
    approver: str | None = None
    restores: int | None = None
    """The version whose terms a rollback brings back."""
    reason: str | None = None
    """Why it was rolled back."""


class Version(Struct, frozen=True):
    """A published version, and how it came to be."""

    rules: RuleSet
    release: Release


class VersionState(StrEnum):
    """Where a version stands at a moment."""

    UPCOMING = "upcoming"
    IN_FORCE = "in_force"
    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolled_back"


class DraftStaleError(ConflictError):
    """The draft is not any more as the caller saw it."""

    code = "draft_stale"
    title = "草稿已被他人修改，请刷新后重试"


class DraftStateError(ConflictError):
    """The draft has not come as far as this step needs, or is beyond it; the detail says where it stands."""

    code = "draft_state"
    title = "草稿当前状态不允许此操作"

    def __init__(self, status: DraftStatus) -> None:
        """Take where the draft stands."""
        super().__init__(f"当前状态：{_STATUS_NAMES[status]}")


class OwnDraftError(ForbiddenError):
    """Nobody approves what they wrote themselves."""

    code = "own_draft"
    title = "不能审批本人编写的规则，需由另一人审批"


class EffectiveTimeError(BadRequestError):
    """A version would take effect too early for every cache to know it, or too far ahead."""

    code = "bad_effective_from"
    title = "生效时间须在发布 5 分钟之后、366 天之内"


class NoSuchVersionError(NotFoundError):
    """There is no version of that number."""

    code = "no_such_version"
    title = "规则版本不存在"


class RollbackTargetError(ConflictError):
    """Rolling back to that version makes no sense; the detail says why."""

    code = "rollback_target"
    title = "不能回滚到该版本"


class TooManyVersionsError(ConflictError):
    """There are as many versions as a deployment keeps."""

    code = "too_many_versions"
    title = "规则版本数量已达上限"


_STATUS_NAMES: Final = {
    DraftStatus.DRAFT: "草稿",
    DraftStatus.VALIDATED: "已校验",
    DraftStatus.SIMULATED: "已模拟",
    DraftStatus.APPROVED: "已批准",
    DraftStatus.PUBLISHED: "已发布",
}


def begun(draft_id: str, title: str, terms: RuleTerms, by: Deed) -> Draft:
    """Return a new draft; its terms may still break any limit."""
    return Draft(draft_id=draft_id, title=title, terms=terms, created=by, changed=by)


def changed(draft: Draft, revision: int, title: str, terms: RuleTerms, by: Deed) -> Draft:
    """Return the draft with another title and other terms; other terms forget validation, simulation and approval.

    Raises:
        DraftStateError: it is published.
        DraftStaleError: it was written since the caller read that revision.
    """
    _require(draft, *_UNPUBLISHED)
    _require_revision(draft, revision)
    if terms == draft.terms:
        return replace(draft, title=title)
    return _put_back(replace(draft, title=title, terms=terms, changed=by, rejection=None))


def validated(draft: Draft) -> Draft:
    """Return the draft as one whose terms keep every limit; one that has come further stays as it is.

    Raises:
        RuleFaultError: the terms break limits; it names all faults.
        DraftStateError: it is published.
    """
    _require(draft, *_UNPUBLISHED)
    check(draft.terms)
    return replace(draft, status=DraftStatus.VALIDATED) if draft.status is DraftStatus.DRAFT else draft


def simulation_asked(draft: Draft, simulation_id: str) -> Draft:
    """Return the draft with this simulation under way; an earlier one does not count any more.

    Raises:
        DraftStateError: it is not validated, or approved already.
    """
    _require(draft, DraftStatus.VALIDATED, DraftStatus.SIMULATED)
    return replace(draft, status=DraftStatus.VALIDATED, simulation_id=simulation_id, simulated_at=None)


def simulated(draft: Draft, simulation_id: str, at: datetime) -> Draft:
    """Return the draft with its simulation ended; one of earlier terms, or that was asked for before, says nothing."""
    if draft.simulation_id != simulation_id or draft.status is not DraftStatus.VALIDATED:
        return draft
    return replace(draft, status=DraftStatus.SIMULATED, simulated_at=at)


def approved(draft: Draft, revision: int, judgement: Judgement) -> Draft:
    """Return the draft approved by a second person.

    Raises:
        DraftStateError: it is not simulated, or approved already.
        DraftStaleError: it was written since the approver read that revision.
        OwnDraftError: the approver began it, or wrote its present terms.
    """
    _require(draft, DraftStatus.SIMULATED)
    _require_revision(draft, revision)
    if judgement.deed.is_by_same(draft.created) or judgement.deed.is_by_same(draft.changed):
        raise OwnDraftError
    return replace(draft, status=DraftStatus.APPROVED, approval=judgement, rejection=None)


def rejected(draft: Draft, revision: int, judgement: Judgement) -> Draft:
    """Return the draft put back to where it began, with the reason; an approval can be taken back so too.

    Raises:
        DraftStateError: it is not simulated, or published.
        DraftStaleError: it was written since the approver read that revision.
    """
    _require(draft, DraftStatus.SIMULATED, DraftStatus.APPROVED)
    _require_revision(draft, revision)
    return _put_back(replace(draft, rejection=judgement))


def published(draft: Draft, version: int) -> Draft:
    """Return the draft published as a version; it never changes again.

    Raises:
        DraftStateError: it is not approved, or published already.
    """
    _require(draft, DraftStatus.APPROVED)
    return replace(draft, status=DraftStatus.PUBLISHED, version=version)


_UNPUBLISHED: Final = tuple(status for status in DraftStatus if status is not DraftStatus.PUBLISHED)


def release(draft: Draft, history: Sequence[Version], effective_from: datetime | None, by: Deed) -> Version:
    """Return the version that an approved draft is published as; `None` lets it take effect as early as it can (M10).

    Raises:
        DraftStateError: it is not approved, or published already.
        EffectiveTimeError: it would take effect too early, or too far ahead.
        TooManyVersionsError: there are as many as a deployment keeps.
    """
    _require(draft, DraftStatus.APPROVED)
    earliest = by.at + PUBLISHING_LEAD
    if effective_from is not None and not earliest <= effective_from <= by.at + _PUBLISHING_HORIZON:
        raise EffectiveTimeError
    record = Release(
        title=draft.title,
        published_by=by.staff_id,
        published_at=by.at,
        draft_id=draft.draft_id,
        author=draft.changed.staff_id,
        approver=draft.approval.deed.staff_id if draft.approval else None,
    )
    return _next_version(history, draft.terms, effective_from or earliest, record)


def rollback(history: Sequence[Version], to_version: int, reason: str, by: Deed) -> Version:
    """Return the new version that brings back the terms of an old one, as early as it can take effect (M10).

    Raises:
        NoSuchVersionError: there is no such version.
        RollbackTargetError: it never was in force, or its terms are those of the last version.
        TooManyVersionsError: there are as many as a deployment keeps.
    """
    target = next((one for one in history if one.rules.version == to_version), None)
    if target is None:
        raise NoSuchVersionError
    terms = terms_of(target.rules)
    if terms == terms_of(history[-1].rules):
        raise RollbackTargetError("该版本的规则与最新版本相同")
    begins_at = target.rules.effective_from
    if begins_at > by.at or in_force([one.rules for one in history], begins_at) is not target.rules:
        raise RollbackTargetError("该版本从未生效")
    record = Release(
        title=target.release.title,
        published_by=by.staff_id,
        published_at=by.at,
        restores=to_version,
        reason=reason,
    )
    return _next_version(history, terms, by.at + PUBLISHING_LEAD, record)


def state_of(version: Version, history: Sequence[Version], now: datetime) -> VersionState:
    """Return where a version stands.

    It gives way to the first later version that takes effect. It is rolled back if that one is a rollback to another
    version, even before it ever took effect.
    """
    rules = version.rules
    heirs = [one for one in history if one.rules.version > rules.version]
    heir = min(heirs, key=lambda one: (one.rules.effective_from, -one.rules.version), default=None)
    if heir is None or heir.rules.effective_from > max(now, rules.effective_from):
        return VersionState.IN_FORCE if rules.effective_from <= now else VersionState.UPCOMING
    is_rollback = heir.release.restores not in {None, rules.version}
    return VersionState.ROLLED_BACK if is_rollback else VersionState.SUPERSEDED


def _next_version(history: Sequence[Version], terms: RuleTerms, effective_from: datetime, record: Release) -> Version:
    """Return the next version, its terms checked again: limits may have become narrower since they were."""
    check(terms)
    number = history[-1].rules.version + 1 if history else 1
    if number > MAX_VERSIONS:
        raise TooManyVersionsError
    return Version(rule_set(terms, number, effective_from), record)


def _put_back(draft: Draft) -> Draft:
    return replace(draft, status=DraftStatus.DRAFT, simulation_id=None, simulated_at=None, approval=None)


def _require(draft: Draft, *statuses: DraftStatus) -> None:
    if draft.status not in statuses:
        raise DraftStateError(draft.status)


def _require_revision(draft: Draft, revision: int) -> None:
    if draft.revision != revision:
        raise DraftStaleError
