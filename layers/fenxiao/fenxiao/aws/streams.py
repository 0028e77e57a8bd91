"""Consuming DynamoDB streams: a passing fault is raised (the batch comes again), a poison record is parked.

Everything arrives at least once. A record that can never succeed must not block those behind it, so it goes to the
consumer's own dead-letter queue with the reason; an alarm watches the queue and `make redrive` sends it again.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from fenxiao.aws.clients import client
from fenxiao.aws.dynamodb import RawItem
from fenxiao.config import env
from fenxiao.errors import PassingError
from fenxiao.observability import logger

_PASSING_CODES: Final = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_REASON_LIMIT: Final = 500


class Change(Struct, frozen=True):
    """One change of an item: what it was and what it is, in DynamoDB's JSON; `None` before birth and after removal."""

    old: RawItem | None
    new: RawItem | None
    record: Mapping[str, Any]
    """The stream record as it came, for the dead-letter queue."""


def changes(event: Mapping[str, Any]) -> list[Change]:
    """Return the changes that a stream event carries, in order."""
    return [
        Change(record["dynamodb"].get("OldImage"), record["dynamodb"].get("NewImage"), record)
        for record in event["Records"]
    ]


def consume(items: Iterable[Change], handle: Callable[[Change], None]) -> None:
    """Handle each change in order; park those that can never succeed.

    Raises:
        Exception: a passing fault; the whole batch is to be delivered again.
    """
    for change in items:
        try:
            handle(change)
        except Exception as error:
            if is_passing(error):
                raise
            park(change, error)


def consume_folded[T](taken: Sequence[tuple[Change, T]], handle: Callable[[Sequence[T]], None]) -> None:
    """Handle what was taken from many changes in one go.

    When that can never succeed, each is handled alone, so that only the culprit is parked; `handle` is idempotent.

    Raises:
        Exception: a passing fault; the whole batch is to be delivered again.
    """
    try:
        handle([one for _, one in taken])
    except Exception as error:
        if is_passing(error):
            raise
        for change, one in taken:
            alone = [one]
            consume([change], lambda _: handle(alone))  # noqa: B023 - called before the next turn


def is_passing(error: Exception) -> bool:
    """Tell whether the same record may succeed later: contention, throttling, a network fault or a server's 5xx."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response["Error"]["Code"] in _PASSING_CODES  # noqa: PLR2004 - HTTP's server errors
    cause = getattr(error, "cause", None)  # pynamodb wraps botocore's errors
    if isinstance(cause, Exception):
        return is_passing(cause)
    return isinstance(error, PassingError | BotoCoreError | ConnectionError | TimeoutError)


def park(change: Change, error: Exception) -> None:
    """Put a record that can never succeed into this consumer's dead-letter queue, with the reason."""
    reason = f"{type(error).__name__}: {error}"[:_REASON_LIMIT]
    logger.error("record parked", exc_info=error)
    client("sqs").send_message(
        QueueUrl=env("PARKED_QUEUE_URL"),
        MessageBody=json.dumps(
            {"function": env("AWS_LAMBDA_FUNCTION_NAME"), "reason": reason, "record": change.record}
        ),
    )
