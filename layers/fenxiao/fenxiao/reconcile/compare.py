"""The comparison of a day's bills with our books, pure.

WeChat's `success_time` decides to which day something belongs on our side, so a notification that comes after midnight
moves nothing. What stands in a bill is compared with our record of it, whatever day that has; what we have of the day
and no bill up to that day shows is missing at WeChat.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

from fenxiao.reconcile.model import Billed, Difference, Finding, Key, Own, Subject, Sums, Tally


def compare(
    day: date, billed: Sequence[Billed], own: Mapping[Key, Own], earlier: Collection[Key] = ()
) -> list[Difference]:
    """Return every difference of a Shanghai day, those that the bills show first.

    Args:
        day: The day of the bills.
        billed: Their rows.
        own: Our record of each row's reference as far as there is one, and of all that succeeded on the day.
        earlier: What stands in the bills of earlier days; see `absent`.
    """
    missing = [one for one in absent(day, billed, own) if one.key not in earlier]
    return [*_of_rows(billed, own), *(Difference(finding=Finding.MISSING, billed=None, own=one) for one in missing)]


def absent(day: date, billed: Sequence[Billed], own: Mapping[Key, Own]) -> list[Own]:
    """Return what succeeded on the day by our books and does not stand in its bills.

    It may stand in an earlier bill, from its `since` on: WeChat lists a refund when it accepts it.
    """
    shown = {row.key for row in billed}
    return [one for one in own.values() if one.done_on == day and one.key not in shown]


def tally(day: date, subject: Subject, billed: Sequence[Billed], own: Mapping[Key, Own]) -> Tally:
    """Return counts and sums of a subject on both sides."""
    return Tally(
        wechat=_sums([row.amount_fen for row in billed if row.subject is subject]),
        ours=_sums([one.amount_fen for one in own.values() if one.subject is subject and one.done_on == day]),
    )


def _of_rows(billed: Sequence[Billed], own: Mapping[Key, Own]) -> Iterator[Difference]:
    met: set[Key] = set()
    for row in billed:
        one = own.get(row.key)
        if one is None or row.key in met or (one.number and one.number != row.number):
            # A second row under one number, or one under another number of WeChat's, is money that we know nothing of.
            yield Difference(finding=Finding.UNKNOWN, billed=row, own=None)
            continue
        met.add(row.key)
        if row.amount_fen != one.amount_fen:
            yield Difference(finding=Finding.AMOUNT, billed=row, own=one)
        elif one.course not in row.fits:
            yield Difference(finding=Finding.STATE, billed=row, own=one)


def _sums(amounts: Sequence[int]) -> Sums:
    return Sums(len(amounts), sum(amounts))
