"""Which journals a promoter's bonus of a month still needs: target − posted, then its settlement (M1, M3, M19)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from fenxiao.commission.month import Bonus
from fenxiao.commission.plan import SETTLE, Settlement
from fenxiao.ledger.model import Entry, Journal, WalletKey
from fenxiao.ledger.target import Position, position

CLOSE: Final = "close"
_ADJUST: Final = "adjust#"
_RELEASE: Final = "release#"


class Award(Struct, frozen=True, kw_only=True):
    """What a promoter should have of a month, by which rules."""

    month: str
    """`YYYY-MM` in Shanghai."""
    promoter_id: str
    bonus: Bonus
    rule_version: int

    @property
    def collection(self) -> str:
        """Return the name of its collection of journals."""
        return f"bonus#{self.month}#{self.promoter_id}"


def plan_award(
    award: Award, journals: Sequence[Journal], at: datetime, settlement: Settlement | None = None
) -> list[Entry]:
    """Return the entries that bring the books of a bonus to what it should be, in order.

    The close comes first, then an adjustment if the books give another amount; then, if asked for, the settlement, or
    the release of what it withheld from a suspended promoter (M17). After the settlement, adjustments go to what is
    available, or become a debt (M5).

    Args:
        award: What the promoter should have.
        journals: Its collection, read consistently.
        at: When the figures were found.
        settlement: Given when the month's last hold has ended.
    """
    books = position(journals, SETTLE)
    key = WalletKey(award.promoter_id)
    given_fen = books.held.get(key, 0) + books.settled.get(key, 0)
    entries = []
    if not journals:
        entries.append(_entry(award, books, CLOSE, _cause(award), at))
    elif given_fen != award.bonus.total_fen:
        entries.append(_entry(award, books, f"{_ADJUST}{books.next_number}", _cause(award), at))
    if settlement is not None:
        entries += _settle(award, books, settlement)
    return entries


def _settle(award: Award, books: Position, settlement: Settlement) -> list[Entry]:
    ids = {"month": award.month, "promoter": award.promoter_id}
    if not books.is_settled:
        books.settle(settlement.withheld, _target(award))
        return [_entry(award, books, SETTLE, ids, settlement.at)]
    if award.promoter_id in books.withheld - settlement.withheld:
        books.withheld.discard(award.promoter_id)
        return [_entry(award, books, _RELEASE + award.promoter_id, ids, settlement.at)]
    return []


def _entry(award: Award, books: Position, event: str, cause: Mapping[str, str | int], at: datetime) -> Entry:
    """Return the entry that brings the books to the award; it belongs to the month's first day (M16)."""
    movements, platform = books.move_to(_target(award))
    entry = Entry(
        collection=award.collection,
        number=books.next_number,
        event=event,
        cause=cause,
        at=at,
        movements=movements,
        platform=platform,
        may_owe=True,
        paid_day=f"{award.month}-01",
    )
    return books.note(entry)


def _target(award: Award) -> dict[WalletKey, int]:
    return {WalletKey(award.promoter_id): award.bonus.total_fen}


def _cause(award: Award) -> dict[str, str | int]:
    """Return the canonical cause: the month's figures and the rules that they follow from (M3)."""
    bonus = award.bonus
    return {
        "month": award.month,
        "promoter": award.promoter_id,
        "own_sales_fen": bonus.own_sales_fen,
        "ladder_fen": bonus.ladder_fen,
        "team_sales_fen": bonus.team_sales_fen,
        "team_bonus_fen": bonus.team_bonus_fen,
        "rule_version": award.rule_version,
    }
