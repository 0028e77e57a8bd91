"""Target − posted: the movements that bring a collection's books to what they should give each wallet (M2, M5)."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from fenxiao.ledger.model import Bucket, Entry, Journal, Movement, Platform, TaxClass, WalletKey

_EXPENSE: dict[TaxClass, Platform] = {
    TaxClass.COMMISSION: Platform.COMMISSION_EXPENSE,
    TaxClass.REBATE: Platform.CAMPAIGN_EXPENSE,
}
"""Who pays for what: cashback is the campaigns', everything else commission."""


class Position(Struct):
    """What a collection's journals, posted and planned, have given each wallet so far."""

    held: dict[WalletKey, int]
    settled: dict[WalletKey, int]
    next_number: int
    is_settled: bool
    withheld: set[str]
    """Members whom the settlement passed over and who were not released since (M17)."""

    def move_to(self, target: Mapping[WalletKey, int]) -> tuple[tuple[Movement, ...], dict[Platform, int]]:
        """Move to a target; return the movements and what they cost the platform's accounts, credit positive."""
        movements, platform = [], dict[Platform, int]()
        for key in sorted({*self.held, *self.settled, *target}):
            aim = target.get(key, 0)
            settled_now = self.is_settled and key.member_id not in self.withheld
            held = (0 if settled_now else aim) - self.held.get(key, 0)
            settled = (aim if settled_now else 0) - self.settled.get(key, 0)
            if not held and not settled:
                continue
            movements.append(Movement(wallet=key, held_fen=held, free_fen=settled))
            self.held[key] = self.held.get(key, 0) + held
            self.settled[key] = self.settled.get(key, 0) + settled
            if held + settled:
                account = _EXPENSE[key.tax_class]
                platform[account] = platform.get(account, 0) - held - settled
        return tuple(movements), {account: fen for account, fen in platform.items() if fen}

    def settle(self, withheld: Collection[str], target: Mapping[WalletKey, int]) -> None:
        """From now on everything is settled, but for the members who are withheld and have something coming."""
        self.is_settled = True
        self.withheld = {key.member_id for key, fen in target.items() if fen} & set(withheld)

    def note(self, entry: Entry) -> Entry:
        """Count a planned entry and return it."""
        self.next_number += 1
        return entry


def position(journals: Sequence[Journal], settle_event: str) -> Position:
    """Return where the journals of a collection stand.

    Args:
        journals: The whole collection, in order.
        settle_event: The event after which what was held is settled.
    """
    found = Position({}, {}, len(journals), any(journal.event == settle_event for journal in journals), set())
    for journal in journals:
        for posting in journal.postings:
            if not posting.member_id:
                continue
            key = WalletKey(posting.member_id, TaxClass(posting.tax_class))
            side = found.held if posting.account == Bucket.HELD else found.settled
            side[key] = side.get(key, 0) + posting.amount_fen
    if found.is_settled:
        found.withheld = {key.member_id for key, fen in found.held.items() if fen}
    return found
