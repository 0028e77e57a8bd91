"""Applying entries to wallets, in memory: which postings each becomes, and what the write must require (M6)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fenxiao.ledger.errors import BrokenBooksError, DebtSmallerError, InsufficientBalanceError
from fenxiao.ledger.model import Bucket, Entry, Journal, Movement, Posting, Wallet, WalletKey


class WalletChange(Struct, frozen=True, kw_only=True):
    """The one update of a wallet that a transaction carries.

    `held_fen` and `reserved_fen` are net changes; `needed_*` is the least that must be there so that no step of the
    batch goes below zero. `before` is what was read, `None` for a blind addition of earnings, which needs no condition.
    """

    held_fen: int
    reserved_fen: int
    needed_held_fen: int
    needed_reserved_fen: int
    before: Wallet | None
    after: Wallet


def is_blind(entries: Sequence[Entry]) -> bool:
    """Tell whether the batch only adds to `held`: then no wallet has to be read, and none can conflict (M6)."""
    return all(
        move.held_fen >= 0 and move.free_fen == 0 and move.reserved_fen == 0 and move.forgiven_fen == 0
        for entry in entries
        for move in entry.movements
    )


def apply(
    entries: Sequence[Entry], wallets: Mapping[WalletKey, Wallet] | None, posted_at: datetime
) -> tuple[list[Journal], dict[WalletKey, WalletChange]]:
    """Return the journals that the entries become, in order, and one change per wallet.

    Args:
        entries: What to post, in order.
        wallets: The wallets as read; `None` for a blind batch.
        posted_at: When the books learn of them.

    Raises:
        DebtSmallerError: an entry forgives more than is owed.
        InsufficientBalanceError: an entry that may not owe takes more than is available.
        BrokenBooksError: more is taken from held or reserved than is there.
    """
    changes: dict[WalletKey, WalletChange] = {}
    journals = []
    for entry in entries:
        postings: list[Posting] = []
        for move in entry.movements:
            change = changes.get(move.wallet) or _untouched(None if wallets is None else wallets[move.wallet])
            changes[move.wallet], moved = _move(change, move, may_owe=entry.may_owe)
            postings += moved
        postings += [Posting("", "", account, fen) for account, fen in entry.platform.items() if fen]
        journals.append(_journal(entry, postings, posted_at))
    return journals, changes


def _untouched(before: Wallet | None) -> WalletChange:
    return WalletChange(
        held_fen=0,
        reserved_fen=0,
        needed_held_fen=0,
        needed_reserved_fen=0,
        before=before,
        after=before or Wallet(),
    )


def _move(change: WalletChange, move: Movement, *, may_owe: bool) -> tuple[WalletChange, list[Posting]]:
    held = change.held_fen + move.held_fen
    reserved = change.reserved_fen + move.reserved_fen
    available_delta, debt_delta = _free(change.after, move.free_fen, may_owe=may_owe)
    debt_delta -= move.forgiven_fen
    if change.after.debt_fen + debt_delta < 0:
        raise DebtSmallerError
    after = Wallet(
        held_fen=change.after.held_fen + move.held_fen,
        available_fen=change.after.available_fen + available_delta,
        reserved_fen=change.after.reserved_fen + move.reserved_fen,
        debt_fen=change.after.debt_fen + debt_delta,
    )
    if after.held_fen < 0 or after.reserved_fen < 0:
        raise BrokenBooksError(f"{move.wallet.member_id} would hold less than nothing")
    changed = replace(
        change,
        held_fen=held,
        reserved_fen=reserved,
        needed_held_fen=max(change.needed_held_fen, -held),
        needed_reserved_fen=max(change.needed_reserved_fen, -reserved),
        after=after,
    )
    amounts = {
        Bucket.HELD: move.held_fen,
        Bucket.AVAILABLE: available_delta,
        Bucket.RESERVED: move.reserved_fen,
        Bucket.DEBT: -debt_delta,
    }
    key = move.wallet
    return changed, [Posting(key.member_id, key.tax_class, bucket, fen) for bucket, fen in amounts.items() if fen]


def _free(wallet: Wallet, free_fen: int, *, may_owe: bool) -> tuple[int, int]:
    """Return the changes of available and of debt."""
    if free_fen >= 0:
        repaid = min(free_fen, wallet.debt_fen)
        return free_fen - repaid, -repaid
    taken = min(-free_fen, wallet.available_fen)
    owed = -free_fen - taken
    if owed and not may_owe:
        raise InsufficientBalanceError
    return -taken, owed


def _journal(entry: Entry, postings: Sequence[Posting], posted_at: datetime) -> Journal:
    if sum(posting.amount_fen for posting in postings):
        raise BrokenBooksError(f"the journal {entry.collection} {entry.event} does not sum to zero")
    return Journal(
        collection=entry.collection,
        number=entry.number,
        event=entry.event,
        hash=entry.hash,
        at=entry.at,
        posted_at=posted_at,
        postings=tuple(postings),
        sale_fen=entry.sale_fen,
        paid_day=entry.paid_day,
    )
