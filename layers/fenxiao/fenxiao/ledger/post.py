"""Posting: journals, wallets and whatever belongs to them, in one transaction (M1, M3, M6, M7)."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct, field

from fenxiao.aws.dynamodb import MAX_TRANSACTION_ACTIONS, Transaction, TransactionCancelledError, back_off
from fenxiao.errors import BusyError
from fenxiao.ledger.apply import apply, is_blind
from fenxiao.ledger.errors import (
    BrokenBooksError,
    ContradictionError,
    DebtSmallerError,
    InsufficientBalanceError,
    MovedError,
)
from fenxiao.ledger.model import Entry, Journal, WalletKey
from fenxiao.ledger.store import LedgerStore, Place, place_of, put_journal, update_wallet

type Extra = Callable[[Transaction], None]
"""Adds the caller's own actions to the posting's transaction."""

_MAX_ATTEMPTS: Final = 8
_HALVE_AFTER: Final = 3
"""So many lost races in a row mean that a batch shares a wallet with another writer: smaller steps get through (M7)."""


class Outcome(Struct):
    """What became of each entry."""

    posted: list[Journal] = field(default_factory=list)
    replayed: list[Entry] = field(default_factory=list)
    """Stood there already, for the same cause."""
    moved: list[Entry] = field(default_factory=list)
    """Another event took the number first: read the collection again and plan anew."""
    contradicted: list[Entry] = field(default_factory=list)
    """The same event stands there with another cause: a case for a person (M3)."""

    @property
    def lost(self) -> set[str]:
        """Return the collections in which an entry's place was taken: what follows it was planned on top of it."""
        return {entry.collection for entry in (*self.moved, *self.contradicted)}


def post(store: LedgerStore, entry: Entry, extra: Extra | None = None) -> bool:
    """Post one entry together with the caller's own actions; tell whether it was posted now (false: a replay).

    Raises:
        InsufficientBalanceError: less is available than the entry takes; nothing was written.
        DebtSmallerError: less is owed than the entry forgives; nothing was written.
        MovedError: another event has the number; nothing was written.
        ContradictionError: the same event stands there with another cause; nothing was written.
        TransactionCancelledError: a condition of the caller's actions failed; nothing was written. Its reasons are
            counted from the caller's first action.
        BusyError: the contention did not cease; nothing was written.
    """
    outcome = Outcome()
    _post_step(store, [entry], outcome, extra)
    if outcome.contradicted:
        raise ContradictionError(outcome.contradicted)
    if outcome.moved:
        raise MovedError(f"{entry.collection} {entry.number}")
    return bool(outcome.posted)


def post_batch(store: LedgerStore, entries: Sequence[Entry]) -> Outcome:
    """Post many entries, folded into as few transactions as their wallets allow.

    Entries that only add to `held` are gathered by the wallets that they share, so that each wallet is written less
    often; all others are applied in the order in which they come.

    Raises:
        BusyError: the contention did not cease; what is in earlier transactions stands, the rest can be posted again.
    """
    outcome = Outcome()
    for chunk in _chunks(_gathered(entries) if is_blind(entries) else entries):
        _post_step(store, chunk, outcome, None)
    return outcome


def _gathered(entries: Sequence[Entry]) -> list[Entry]:
    """Let entries that share their busiest wallets, such as a chain's top, lie together (M7).

    Each collection's entries stay together in their own order, since a later one needs those before it.
    """
    wallets: dict[str, set[WalletKey]] = {}
    for entry in entries:
        wallets.setdefault(entry.collection, set()).update(move.wallet for move in entry.movements)
    traffic = Counter(key for touched in wallets.values() for key in touched)
    rank = {key: place for place, key in enumerate(sorted(traffic, key=lambda key: (-traffic[key], key)))}
    places = {name: sorted(rank[key] for key in touched) for name, touched in wallets.items()}
    return sorted(entries, key=lambda entry: (places[entry.collection], entry.collection))


def _chunks(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Cut the batch so that journals and distinct wallets fit into one transaction."""
    chunk: list[Entry] = []
    wallets: set[object] = set()
    for entry in entries:
        touched = {move.wallet for move in entry.movements}
        if chunk and len(chunk) + 1 + len(wallets | touched) > MAX_TRANSACTION_ACTIONS:
            yield chunk
            chunk, wallets = [], set()
        chunk.append(entry)
        wallets |= touched
    if chunk:
        yield chunk


def _post_step(store: LedgerStore, entries: Sequence[Entry], outcome: Outcome, extra: Extra | None) -> None:
    """Post entries in one transaction, or in smaller ones if others keep coming first."""
    pending = _on_firm_ground(entries, outcome)
    for attempt in range(_MAX_ATTEMPTS):
        if not pending:
            return
        if attempt == _HALVE_AFTER and len(pending) > 1:
            break
        try:
            pending = _attempt(store, pending, outcome, extra)
        except BusyError:
            if len(pending) == 1:
                raise
            break
        back_off(attempt)
    if len(pending) == 1:
        raise BusyError
    middle = len(pending) // 2
    _post_step(store, pending[:middle], outcome, None)
    _post_step(store, pending[middle:], outcome, None)


def _on_firm_ground(entries: Sequence[Entry], outcome: Outcome) -> list[Entry]:
    """Return the entries without those of collections that lost a place in an earlier transaction of the batch."""
    lost = outcome.lost
    outcome.moved += [entry for entry in entries if entry.collection in lost]
    return [entry for entry in entries if entry.collection not in lost]


def _attempt(store: LedgerStore, pending: Sequence[Entry], outcome: Outcome, extra: Extra | None) -> list[Entry]:
    """Try to post the entries in one transaction; return those that are to be tried again."""
    try:
        journals, transaction = _build(store, pending)
    except (InsufficientBalanceError, DebtSmallerError, BrokenBooksError):
        # The balance may be short because another writer posted one of these very entries a moment ago.
        free = _without_taken(store, pending, outcome)
        if len(free) == len(pending):
            raise
        return free
    own_actions = len(transaction)
    if extra:
        extra(transaction)
    try:
        transaction.commit()
    except TransactionCancelledError as cancelled:
        free = _sort_out(cancelled, pending, outcome)
        if any(cancelled.reasons[own_actions:]) and free:
            raise TransactionCancelledError(cancelled.reasons[own_actions:]) from cancelled
        return free
    outcome.posted += journals
    return []


def _build(store: LedgerStore, entries: Sequence[Entry]) -> tuple[list[Journal], Transaction]:
    """Return the journals and the transaction that puts them and moves their wallets, one action per wallet."""
    keys = {move.wallet for entry in entries for move in entry.movements}
    journals, changes = apply(entries, None if is_blind(entries) else store.wallets(keys), store.clock.now())
    transaction = Transaction()
    for journal in journals:
        put_journal(transaction, journal)
    for key in sorted(changes):
        update_wallet(transaction, key, changes[key])
    return journals, transaction


def _without_taken(store: LedgerStore, pending: Sequence[Entry], outcome: Outcome) -> list[Entry]:
    """Sort the entries by what stands at their places, as read now; return those whose places are free."""
    standing = {
        (name, journal.number): journal
        for name in {entry.collection for entry in pending}
        for journal in store.collection(name)
    }
    places = []
    for entry in pending:
        journal = standing.get((entry.collection, entry.number))
        places.append(Place.of(entry, journal.event, journal.hash) if journal else Place.FREE)
    return _sorted(pending, places, outcome)


def _sort_out(cancelled: TransactionCancelledError, pending: Sequence[Entry], outcome: Outcome) -> list[Entry]:
    """Sort the entries by what the cancelled transaction found at their places; return those to try again."""
    places = [
        place_of(entry, reason.item) if reason and reason.code == "ConditionalCheckFailed" else Place.FREE
        for entry, reason in zip(pending, cancelled.reasons, strict=False)
    ]
    return _sorted(pending, places, outcome)


def _sorted(pending: Sequence[Entry], places: Sequence[Place], outcome: Outcome) -> list[Entry]:
    """Put the entries whose place is taken into the list that says why; return the others.

    What follows a lost place in the same collection was planned on top of it, so it is lost with it.
    """
    free = []
    lost: set[str] = set()
    for entry, place in zip(pending, places, strict=True):
        if entry.collection in lost:
            outcome.moved.append(entry)
        elif place is Place.FREE:
            free.append(entry)
        elif place is Place.SAME:
            outcome.replayed.append(entry)
        else:
            lost.add(entry.collection)
            (outcome.moved if place is Place.OTHER_EVENT else outcome.contradicted).append(entry)
    return free
