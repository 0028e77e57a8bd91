"""How a refund is spread over the lines of an order, fixed when it is created (M15). Pure."""

from collections.abc import Mapping, Sequence

from fenxiao.money import allocate_fen
from fenxiao.order.errors import BadRefundError, RefundTooLargeError
from fenxiao.order.model import OrderLine


def whole(lines: Sequence[OrderLine]) -> tuple[int, ...]:
    """Return all that is left of each line.

    Raises:
        RefundTooLargeError: nothing is left.
    """
    parts = tuple(line.refundable_fen for line in lines)
    if not sum(parts):
        raise RefundTooLargeError
    return parts


def by_amount(lines: Sequence[OrderLine], amount_fen: int) -> tuple[int, ...]:
    """Return the amount spread over what is left of each line by the largest remainder.

    Raises:
        RefundTooLargeError: less is left.
    """
    left = [line.refundable_fen for line in lines]
    if amount_fen > sum(left):
        raise RefundTooLargeError
    return tuple(allocate_fen(amount_fen, left))


def by_line(lines: Sequence[OrderLine], amounts_fen: Mapping[int, int]) -> tuple[int, ...]:
    """Return the amounts at their lines, counted from zero.

    Raises:
        BadRefundError: there is no such line.
        RefundTooLargeError: less is left of a line.
    """
    if not all(0 <= i < len(lines) for i in amounts_fen):
        raise BadRefundError
    parts = tuple(amounts_fen.get(i, 0) for i in range(len(lines)))
    if any(part > line.refundable_fen for part, line in zip(parts, lines, strict=True)):
        raise RefundTooLargeError
    return parts
