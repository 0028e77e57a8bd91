"""Folding journals: what wallets and totals follow from them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

from fenxiao.audit.model import Difference, Figures
from fenxiao.ledger.model import Bucket, Journal, Platform, TaxClass, Wallet, WalletKey
from fenxiao.ledger.statement import paid_days_of, totals_of

type Sums = dict[date, dict[str, int]]

_ACCOUNT_FIGURES: Final[Mapping[str, tuple[str, int]]] = {
    Platform.COMMISSION_EXPENSE: ("commission_fen", -1),
    Platform.CAMPAIGN_EXPENSE: ("cashback_fen", -1),
    Platform.TAX_PAYABLE: ("tax_fen", 1),
    Platform.FEE_INCOME: ("fee_fen", 1),
    Platform.PAID_OUT: ("paid_out_fen", 1),
    Platform.WRITTEN_OFF: ("written_off_fen", -1),
    Bucket.HELD: ("held_fen", 1),
    Bucket.AVAILABLE: ("available_fen", 1),
    Bucket.RESERVED: ("reserved_fen", 1),
    Bucket.DEBT: ("debt_fen", -1),
}
"""Figure and sign of each account, so that what is usual is positive."""


class Fold:
    """The sums of all journals that were added."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.journals = 0
        self.days: Sums = {}
        self.paid_days: Sums = {}
        self._buckets: dict[WalletKey, dict[str, int]] = {}

    def add(self, journals: Sequence[Journal]) -> None:
        """Add journals."""
        self.journals += len(journals)
        _merge(self.days, totals_of(journals))
        _merge(self.paid_days, paid_days_of(journals))
        for journal in journals:
            for posting in journal.postings:
                if posting.member_id:
                    key = WalletKey(posting.member_id, TaxClass(posting.tax_class))
                    buckets = self._buckets.setdefault(key, dict.fromkeys(Bucket, 0))
                    buckets[posting.account] += posting.amount_fen

    def wallets(self) -> dict[WalletKey, Wallet]:
        """Return the wallets that follow."""
        return {
            key: Wallet(
                buckets[Bucket.HELD], buckets[Bucket.AVAILABLE], buckets[Bucket.RESERVED], -buckets[Bucket.DEBT]
            )
            for key, buckets in self._buckets.items()
        }

    def figures(self) -> Figures:
        """Return the sums over everything."""
        sums = dict.fromkeys(Figures.__struct_fields__, 0)
        for day in self.days.values():
            for account, (figure, sign) in _ACCOUNT_FIGURES.items():
                sums[figure] += sign * day[f"{account}_fen"]
            sums["sales_fen"] += day["sales_fen"]
            sums["refunds_fen"] += day["refunds_fen"]
        return Figures(**sums)


def wallet_differences(folded: Mapping[WalletKey, Wallet], actual: Mapping[WalletKey, Wallet]) -> list[Difference]:
    """Compare every wallet with the fold, and each with the laws of wallets (M4)."""
    found = []
    for key in sorted({*folded, *actual}):
        subject = f"wallet#{key.member_id}#{key.tax_class}"
        expected, wallet = folded.get(key, Wallet()), actual.get(key, Wallet())
        found += [
            Difference(subject, name, str(getattr(expected, name)), str(getattr(wallet, name)))
            for name in Wallet.__struct_fields__
            if getattr(expected, name) != getattr(wallet, name)
        ]
        if min(wallet.held_fen, wallet.available_fen, wallet.reserved_fen, wallet.debt_fen) < 0:
            found.append(Difference(subject, "negative", "none", str(wallet)))
        if wallet.available_fen and wallet.debt_fen:
            found.append(Difference(subject, "available_and_debt", "one of them", str(wallet)))
    return found


def sum_differences(kind: str, folded: Sums, actual: Mapping[date, Mapping[str, int]]) -> list[Difference]:
    """Compare the sums of every day."""
    return [
        Difference(f"{kind}#{day}", figure, str(expected), str(actual.get(day, {}).get(figure, 0)))
        for day, figures in sorted(folded.items())
        for figure, expected in figures.items()
        if expected != actual.get(day, {}).get(figure, 0)
    ]


def collection_differences(journals: Sequence[Journal]) -> list[Difference]:
    """Check what must hold of any collection: numbers without a gap, each event once, each journal in balance (M1)."""
    found = []
    for number, journal in enumerate(journals):
        subject = f"{journal.collection}#{number}"
        if journal.number != number:
            found.append(Difference(subject, "number", str(number), str(journal.number)))
        if fen := sum(posting.amount_fen for posting in journal.postings):
            found.append(Difference(subject, "sum_fen", "0", str(fen)))
    events = [journal.event for journal in journals]
    found += [Difference(journals[0].collection, "event", "once", event) for event in _repeated(events)]
    return found


def _repeated(events: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [event for event in events if event in seen or seen.add(event)]  # type: ignore[func-returns-value]


def _merge(into: Sums, days: Mapping[date, Mapping[str, int]]) -> None:
    for day, figures in days.items():
        sums = into.setdefault(day, {})
        for figure, fen in figures.items():
            sums[figure] = sums.get(figure, 0) + fen
