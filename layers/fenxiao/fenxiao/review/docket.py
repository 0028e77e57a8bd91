"""Where other rooms open their cases."""

from bisect import bisect_left
from datetime import timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from fenxiao.clock import Clock
from fenxiao.errors import BusyError
from fenxiao.review.cases import Matter, case_id, opened
from fenxiao.review.model import CaseStatus
from fenxiao.review.store import CaseStore

_MAX_ATTEMPTS: Final = 8


class Docket(Struct, frozen=True):
    """What it takes to open a case."""

    cases: CaseStore
    clock: Clock
    review_time: timedelta
    """How long a round of review may take."""

    def open(self, matter: Matter) -> None:
        """Open the case on a matter; one that was opened before is left as it is."""
        self.cases.open(opened(matter, self.clock.now(), self.review_time))

    def join(self, matter: Matter) -> str:
        """Return the id of the open case of this kind on this subject; if there is none, open the next one.

        Cases of one kind and subject are numbered from 1 without a gap, and at most the last of them is open.

        Raises:
            BusyError: others kept opening and deciding cases on the subject.
        """
        for _ in range(_MAX_ATTEMPTS):
            last = self._last_number(matter)
            standing = self.cases.get(case_id(matter.kind, matter.subject_id, last)) if last else None
            if standing and standing.status is CaseStatus.OPEN:
                return standing.case_id
            following = replace(matter, number=last + 1)
            if self.cases.open(opened(following, self.clock.now(), self.review_time)):
                return following.case_id
        raise BusyError

    def _last_number(self, matter: Matter) -> int:
        """Return the number of the last case, 0 if there is none; found by halving, since numbers have no gap."""

        def is_free(number: int) -> bool:
            return self.cases.get(case_id(matter.kind, matter.subject_id, number)) is None

        above = 1
        while not is_free(above):
            above *= 2
        return bisect_left(range(1, above), True, key=is_free)  # noqa: FBT003 - the first of which it is true
