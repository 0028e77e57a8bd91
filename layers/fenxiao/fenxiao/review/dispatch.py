"""From the case table's stream to the machines: start `manual_review`, and deliver what was decided (M28).

Everything here may be repeated: an execution is started under the case's id, and a task that has ended is left alone.
"""

from collections.abc import Callable, Mapping

from fenxiao.review.cases import round_outcome
from fenxiao.review.model import Case

type Start = Callable[[str, Mapping[str, object]], None]
"""Starts an execution of a machine: its name and its input; one that exists is left as it is."""

type Complete = Callable[[str, Mapping[str, object]], None]
"""Hands a waiting task its result; one that has ended is left as it is."""


def follow_case(case: Case, *, is_new: bool, start: Start, complete: Complete) -> None:
    """Do what a written case asks for: start its machine, end the round that it waits for, tell who opened it."""
    if is_new:
        start(case.case_id, {"case_id": case.case_id})
    outcome = round_outcome(case)
    if case.round_token and outcome:
        complete(case.round_token.token, {"outcome": outcome})
    if case.closed_at and case.parent_token:
        complete(case.parent_token, {"status": case.status})
