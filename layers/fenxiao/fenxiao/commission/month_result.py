"""What is kept and shown of a closed or previewed month: its totals, and a line for each promoter. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from fenxiao.commission.month import NOTHING, Bonus
from fenxiao.commission.month_plan import Award

MAX_MONTHS_BACK: Final = 14
"""WeChat refunds for a year after the payment, and a refund may take weeks: older months do not move any more."""


class View(StrEnum):
    """A close posts, a preview only says what a close would post now."""

    CLOSE = "close"
    PREVIEW = "preview"


class LineState(StrEnum):
    """How far a promoter's bonus has come."""

    COMPUTED = "computed"
    """Not posted: previewed, or about to be posted."""
    HELD = "held"
    WITHHELD = "withheld"
    """The month is settled, the promoter suspended (M17)."""
    SETTLED = "settled"


class Line(Struct, frozen=True):
    """What a month gives one promoter, and how far that has come."""

    award: Award
    state: LineState


class MonthState(StrEnum):
    """How far a month's bonuses have come, all together."""

    PREVIEWED = "previewed"
    HELD = "held"
    """Posted; orders of the month are still held."""
    PARKED = "parked"
    """The month's share of sales is too high: its bonuses wait for a person (M16)."""
    DENIED = "denied"
    """That person rejected them: nobody gets anything."""
    WITHHELD = "withheld"
    """Settled, but for promoters who are suspended."""
    SETTLED = "settled"


class MonthResult(Struct, frozen=True, kw_only=True):
    """A closed or previewed month."""

    month: str
    """`YYYY-MM` in Shanghai."""
    view: View
    state: MonthState
    parked_case: str = ""
    """The case that decides whether its bonuses settle (M16)."""
    denied: bool = False
    """That case was rejected: what the month gives is nothing."""
    let_go_at: datetime | None = None
    """When its bonuses were first due and not parked, or a person let them go: the breaker is not asked again."""
    rule_version: int
    """The version in force when the month began; 0 before the first one, when nobody gets anything."""
    revision: int
    """How often the books of the month's orders had moved when it was computed."""
    computed_at: datetime
    on_hold: bool
    """Whether an order of the month has something left that is not settled."""
    promoters: int
    """How many get anything."""
    ladder_fen: int
    team_bonus_fen: int


def moved_lines(month: str, found: Mapping[str, Bonus], rule_version: int, lines: Mapping[str, Line]) -> list[Line]:
    """Return the lines that are to replace those that stand there, where the figures are others.

    Args:
        month: `YYYY-MM`.
        found: The bonuses by promoter.
        rule_version: The rules that they follow from.
        lines: What stands there by promoter; who is no longer found gets nothing.
    """
    moved = []
    for promoter_id in sorted({*found, *lines}):
        bonus, known = found.get(promoter_id, NOTHING), lines.get(promoter_id)
        if known is None or known.award.bonus != bonus:
            award = Award(month=month, promoter_id=promoter_id, bonus=bonus, rule_version=rule_version)
            moved.append(Line(award, LineState.COMPUTED))
    return moved


def state_of(result: MonthResult, lines: Iterable[Line]) -> MonthState:
    """Return how far a closed month has come: as far as the line that is furthest behind."""
    states = {line.state for line in lines}
    if states & {LineState.COMPUTED, LineState.HELD}:
        parked = result.parked_case and result.let_go_at is None and not result.denied
        return MonthState.PARKED if parked else MonthState.HELD
    if LineState.WITHHELD in states:
        return MonthState.WITHHELD
    return MonthState.DENIED if result.denied else MonthState.SETTLED
