"""The test clock: wall time plus an offset that only grows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
MAX_ADVANCE_SECONDS = 400 * 24 * 3600


def wall_now() -> datetime:
    """Return the wall time in UTC."""
    return datetime.now(UTC)


class VirtualClock:
    """Business time, and beside it the wall time that signatures and credentials live in."""

    def __init__(self, wall: Callable[[], datetime] = wall_now) -> None:
        self.wall = wall
        self.offset_seconds = 0

    def now(self) -> datetime:
        """Return business time in UTC."""
        return self.wall() + timedelta(seconds=self.offset_seconds)

    def advance(self, seconds: int) -> None:
        """Move business time forward.

        Raises:
            ValueError: it would stand still, go back or jump further than MAX_ADVANCE_SECONDS.
        """
        if not 0 < seconds <= MAX_ADVANCE_SECONDS:
            raise ValueError("the clock moves forward only, and at most 400 days at once")
        self.offset_seconds += seconds


def rfc3339(moment: datetime) -> str:
    """Return the moment as WeChat writes it: Shanghai time, whole seconds, with the offset."""
    return moment.astimezone(SHANGHAI).isoformat(timespec="seconds")


def epoch(moment: datetime) -> int:
    """Return the moment in whole epoch seconds, the form of mini-program fields."""
    return int(moment.timestamp())
