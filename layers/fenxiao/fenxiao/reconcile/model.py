"""What is compared, what is found, and what is kept of a day."""

from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct


class Subject(StrEnum):
    """What a row of a bill is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    TRANSFER = "transfer"


type Key = tuple[Subject, str]
"""Subject and reference: an order's id, `<order>/<refund>`, or a withdrawal's id."""


class Course(StrEnum):
    """How far something has come in our books."""

    NOT_BEGUN = "not_begun"
    """An order that is not paid, a withdrawal whose transfer was never prepared."""
    UNDER_WAY = "under_way"
    DONE = "done"
    """WeChat told us of its success."""
    VOID = "void"
    """It ended without effect."""


class Finding(StrEnum):
    """How the two sides differ."""

    MISSING = "missing_at_wechat"
    UNKNOWN = "unknown_to_us"
    AMOUNT = "amount"
    STATE = "state"


class Billed(Struct, frozen=True, kw_only=True):
    """A row of a bill, whichever it stands in."""

    subject: Subject
    reference: str
    amount_fen: int
    state: str
    """As the bill has it."""
    fits: frozenset[Course]
    """Where the thing may stand in our books on the next morning."""
    number: str = ""
    """WeChat's number of a payment; empty otherwise, as we keep none."""

    @property
    def key(self) -> Key:
        """Return by what it is found."""
        return self.subject, self.reference


class Own(Struct, frozen=True, kw_only=True):
    """What our books say of the same."""

    subject: Subject
    reference: str
    amount_fen: int
    course: Course
    since: date
    """The first Shanghai day on whose bill it can stand."""
    done_on: date | None = None
    """The Shanghai day of WeChat's `success_time`."""
    number: str = ""
    person: str = ""
    """Keyed HMAC of whom it is about, where they may be staff (M27)."""

    @property
    def key(self) -> Key:
        """Return by what it is found."""
        return self.subject, self.reference


class Difference(Struct, frozen=True, kw_only=True):
    """One thing on which the sides differ; a side that does not know it is `None`."""

    finding: Finding
    billed: Billed | None
    own: Own | None

    @property
    def key(self) -> Key:
        """Return what it is about."""
        side = self.billed or self.own
        assert side is not None  # noqa: S101 - one of the two found it
        return side.key


class Sums(Struct, frozen=True):
    """How many, and how much."""

    count: int = 0
    sum_fen: int = 0


class Tally(Struct, frozen=True, kw_only=True):
    """The two sides of a subject: the rows of the bill, and what succeeded on the day by our books."""

    wechat: Sums
    ours: Sums


class Status(StrEnum):
    """How a day came out."""

    BALANCED = "balanced"
    DIFFERENCES = "differences"


class Reconciliation(Struct, frozen=True, kw_only=True):
    """A reconciled Shanghai day. Each difference opened a case of the kind `reconcile_difference`.

    A refund stands in the bill of its acceptance and counts with us on the day of its success, so that the sums of
    refunds may differ where nothing else does.
    """

    day: date
    reconciled_at: datetime
    status: Status
    differences: int
    payments: Tally
    refunds: Tally
    transfers: Tally
