"""From the withdrawal table's stream to the machine: start it, and tell it of the end. Both may be repeated."""

from fenxiao.review.dispatch import Complete, Start
from fenxiao.withdrawal.model import Withdrawal


def follow_withdrawal(withdrawal: Withdrawal, *, is_new: bool, start: Start, complete: Complete) -> None:
    """Do what a written withdrawal asks for: start its execution, complete the token that waits for its end."""
    if is_new:
        start(withdrawal.withdrawal_id, {"withdrawal_id": withdrawal.withdrawal_id})
    if withdrawal.end_token and withdrawal.status.ended:
        complete(withdrawal.end_token, {"status": withdrawal.status})
