"""How WeChat is called: with a time-out, and a few times where a repetition can do no harm."""

import random
from collections.abc import Callable
from time import sleep
from typing import Final

from fenxiao.observability import count, logger
from fenxiao.wechat.errors import WeChatUnavailableError

TIMEOUT_SECONDS: Final = (1.0, 4.0)
"""To connect, and between two bytes of the answer."""
ATTEMPTS: Final = 3
_FIRST_WAIT_SECONDS: Final = 0.2


def repeated[T](call: Callable[[], T]) -> T:
    """Make a call that may safely be made again, three times at most, with a random wait that doubles its bound.

    Raises:
        WeChatUnavailableError: no attempt got a usable answer.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return call()
        except WeChatUnavailableError:
            sleep(random.uniform(0, _FIRST_WAIT_SECONDS * 2**attempt))  # noqa: S311 - jitter is no secret
    return call()


def unavailable(reason: str) -> WeChatUnavailableError:
    """Return the error to raise after having counted and logged the fault; the reason is for operators and no more."""
    count("WeChatUnavailable")
    logger.warning("WeChat gave no usable answer", extra={"reason": reason})
    return WeChatUnavailableError()
