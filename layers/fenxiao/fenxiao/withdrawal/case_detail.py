"""What the reviewers of a withdrawal see beside its case."""

from typing import Final

import msgspec

from fenxiao.review.contract import CaseView, DecisionView, case_view, decision_views
from fenxiao.review.store import CaseStore
from fenxiao.withdrawal.contract import WithdrawalView, withdrawal_view
from fenxiao.withdrawal.store import WithdrawalStore

_EARLIER: Final = 20
"""So many of the member's latest withdrawals are shown to reviewers."""


class CaseDetail(msgspec.Struct, frozen=True):
    """A case with what a reviewer needs: its decisions, and the member's latest withdrawals if it is about one."""

    case: CaseView
    decisions: list[DecisionView]
    earlier_withdrawals: list[WithdrawalView]


def case_detail(case_id: str, cases: CaseStore, withdrawals: WithdrawalStore) -> CaseDetail:
    """Return a case for its reviewers.

    Raises:
        NotFoundError: there is no such case.
    """
    file = cases.file(case_id)
    subject = withdrawals.find(file.case.subject_id)
    earlier = withdrawals.by_member(subject.member_id, _EARLIER)[0] if subject else []
    views = [withdrawal_view(one) for one in earlier if one.withdrawal_id != file.case.subject_id]
    return CaseDetail(case=case_view(file.case), decisions=decision_views(file), earlier_withdrawals=views)
