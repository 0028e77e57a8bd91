"""Rule versions in DynamoDB (`RULE_TABLE`): one partition, `rules` / `<number>`, one immutable item a version."""

import time
from collections.abc import Callable
from typing import Final

from fenxiao.aws.dynamodb import Item, JsonAttribute, Transaction, TransactionCancelledError, table
from fenxiao.commission.drafts import MAX_VERSIONS, Release, Version
from fenxiao.commission.rules import RuleSet
from fenxiao.errors import ConflictError

_PARTITION: Final = "rules"
_CACHE_SECONDS: Final = 60.0
"""Shorter than the publishing lead, so a version is known everywhere before it takes effect (M10)."""


class VersionTakenError(ConflictError):
    """Somebody published in between; nothing was written."""

    code = "rule_version_taken"
    title = "规则版本已被他人发布，请刷新后重试"


class RuleItem(Item):
    """A published version."""

    Meta = table("RULE_TABLE")

    rules: JsonAttribute[RuleSet] = JsonAttribute(RuleSet)
    release: JsonAttribute[Release] = JsonAttribute(Release)


class RuleStore:
    """Published versions; reads are cached for a minute, since versions never change."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        """Begin with an empty cache, whose age is measured by this clock: business time's, where that can be moved."""
        self._seconds = seconds
        self._read_at = 0.0
        self._versions: tuple[RuleSet, ...] | None = None

    def versions(self) -> tuple[RuleSet, ...]:
        """Return all versions, oldest first."""
        if self._versions is None or self._seconds() - self._read_at > _CACHE_SECONDS:
            self._read_at = self._seconds()
            self._versions = tuple(version.rules for version in self.history())
        return self._versions

    def history(self) -> tuple[Version, ...]:
        """Return all versions and how they came to be, oldest first, read consistently past the cache."""
        items = RuleItem.query(_PARTITION, consistent_read=True, limit=MAX_VERSIONS)
        return tuple(Version(item.rules, item.release) for item in items)

    def publish(self, version: Version) -> None:
        """Add a version under its number.

        Raises:
            VersionTakenError: the number is taken.
        """
        transaction = Transaction()
        put_version(transaction, version)
        try:
            transaction.commit()
        except TransactionCancelledError as cancelled:
            raise VersionTakenError from cancelled


def put_version(transaction: Transaction, version: Version) -> int:
    """Add a version under its number, which must be free; return the action's index."""
    item = RuleItem(pk=_PARTITION, sk=f"{version.rules.version:06d}", rules=version.rules, release=version.release)
    return transaction.put(item, RuleItem.pk.does_not_exist())
