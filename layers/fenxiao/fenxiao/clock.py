"""Time: UTC inside, Asia/Shanghai for people and for the calendar that money rules use (M19)."""

import json
import os
import urllib.request
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has had one zone without daylight saving since 1991, so a fixed offset is exact and needs no zone database."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TEST_CLOCK_TIMEOUT_SECONDS = 2.0


class Clock(Protocol):
    """Where use cases get the time from."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)


class TestClock:
    """Wall time moved forward by the offset that the sandbox keeps, so that days pass in seconds.

    Business time only: signatures and token life times of outside systems stay on wall time.
    """

    __test__ = False  # pytest would take the name for a test class

    def __init__(self, url: str) -> None:
        """Read the offset from `{url}/_clock`; the address must be a loopback one.

        Raises:
            ValueError: the address is not `http://127.0.0.1:…`.
            RuntimeError: the process runs on real AWS Lambda, where time is never moved.
        """
        if not url.startswith("http://127.0.0.1:"):
            raise ValueError("the test clock speaks to the loopback address only")
        # AWS sets `AWS_Lambda_python3.13`; off AWS, Chalice sets `AWS_Lambda aws-chalice/…`.
        if os.environ.get("AWS_EXECUTION_ENV", "").startswith("AWS_Lambda_"):
            raise RuntimeError("the test clock cannot run on AWS")
        self._url = url.rstrip("/") + "/_clock"

    def now(self) -> datetime:
        """Return the wall time plus the sandbox's offset, in UTC."""
        request = urllib.request.Request(self._url)  # noqa: S310 - __init__ admits http loopback only
        with urllib.request.urlopen(request, timeout=_TEST_CLOCK_TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
            offset_seconds = int(json.load(answer)["offset_seconds"])
        return datetime.now(UTC) + timedelta(seconds=offset_seconds)


def to_millis(moment: datetime) -> int:
    """Return the moment as epoch milliseconds, the form in which tables keep it."""
    return (moment - _EPOCH) // _MILLISECOND


def from_millis(millis: int) -> datetime:
    """Return the UTC moment of epoch milliseconds."""
    return _EPOCH + millis * _MILLISECOND


def shanghai_day(moment: datetime) -> date:
    """Return the calendar day in Shanghai."""
    return moment.astimezone(SHANGHAI).date()


def shanghai_month(moment: datetime) -> str:
    """Return the calendar month in Shanghai as `YYYY-MM`; tax, ladders and bonuses count by it (M19, M26)."""
    return moment.astimezone(SHANGHAI).strftime("%Y-%m")
