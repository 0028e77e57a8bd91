from datetime import UTC, datetime, timedelta

from fenxiao.review.cases import Matter, opened
from fenxiao.review.model import Case

NOW = datetime(2026, 3, 10, 4, 0, tzinfo=UTC)
REVIEW_TIME = timedelta(hours=48)


def new_case(required_approvals: int = 1, subject_id: str = "W1", kind: str = "withdrawal") -> Case:
    """A case about the person `person-applicant`."""
    matter = Matter(
        kind=kind,
        subject_id=subject_id,
        person="person-applicant",
        facts={"amount_fen": 20_000, "signals": ["day_sum"]},
        required_approvals=required_approvals,
    )
    return opened(matter, NOW, REVIEW_TIME)
