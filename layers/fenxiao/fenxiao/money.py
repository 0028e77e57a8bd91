"""Integer arithmetic on money.

Every amount is an `int` of fen (1/100 yuan, CNY) and every rate an `int` of basis points (1/10 000), so no float can
touch money.
"""

from collections.abc import Sequence

BPS = 10_000
"""Basis points in a whole."""


def share_fen(base_fen: int, rate_bps: int) -> int:
    """Return `rate_bps` of `base_fen`, floored to the fen; what is left stays with the merchant (M13)."""
    if base_fen < 0 or rate_bps < 0:
        raise ValueError(f"a share needs a base and a rate of at least zero: {base_fen=} {rate_bps=}")
    return base_fen * rate_bps // BPS


def allocate_fen(total_fen: int, weights: Sequence[int]) -> list[int]:
    """Split `total_fen` in proportion to `weights` by the largest remainder, ties by position (M12, M15).

    The parts sum to `total_fen`, and no part exceeds its weight when `total_fen <= sum(weights)`. Weights that are all
    zero can only carry a total of zero.

    Raises:
        ValueError: the total or a weight is negative, or there is something to split and nothing to carry it.
    """
    if total_fen < 0 or any(weight < 0 for weight in weights):
        raise ValueError("an allocation needs a total and weights of at least zero")
    whole = sum(weights)
    if whole == 0:
        if total_fen:
            raise ValueError("nothing can carry the total")
        return [0] * len(weights)
    parts = [total_fen * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total_fen * weights[i] % whole), i))
    for i in by_remainder[: total_fen - sum(parts)]:
        parts[i] += 1
    return parts


def round_half_up(numerator: int, denominator: int) -> int:
    """Return `numerator / denominator` rounded half up, as income tax is rounded to the fen."""
    if denominator <= 0:
        raise ValueError("the denominator must be positive")
    return (2 * numerator + denominator) // (2 * denominator)


def yuan(amount_fen: int) -> str:
    """Return an amount as people read it: yuan with two decimals, such as `-12.30`."""
    return f"{'-' if amount_fen < 0 else ''}{abs(amount_fen) // 100}.{abs(amount_fen) % 100:02d}"
