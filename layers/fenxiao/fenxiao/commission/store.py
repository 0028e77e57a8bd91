"""Rule versions in DynamoDB (`RULE_TABLE`): one partition, one immutable item a version."""

import time
from collections.abc import Callable
from typing import Final

from pynamodb.attributes import UnicodeAttribute

from fenxiao.aws.dynamodb import Item, JsonAttribute, condition_failed, table
from fenxiao.commission.rules import RuleSet
from fenxiao.errors import ConflictError

_PARTITION: Final = "rules"
_MAX_VERSIONS: Final = 1000
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
    published_by = UnicodeAttribute()


class RuleStore:
    """Published versions; reads are cached for a minute, since versions never change."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with an empty cache."""
        self._monotonic = monotonic
        self._read_at = 0.0
        self._versions: tuple[RuleSet, ...] | None = None

    def versions(self, *, fresh: bool = False) -> tuple[RuleSet, ...]:
        """Return all versions, oldest first; `fresh` reads past the cache, consistently."""
        expired = self._monotonic() - self._read_at > _CACHE_SECONDS
        if self._versions is None or expired or fresh:
            items = RuleItem.query(_PARTITION, consistent_read=True, limit=_MAX_VERSIONS)
            self._versions = tuple(item.rules for item in items)
            self._read_at = self._monotonic()
        return self._versions

    def publish(self, rules: RuleSet, staff_id: str) -> None:
        """Add a version under its number.

        Raises:
            VersionTakenError: the number is taken.
        """
        item = RuleItem(pk=_PARTITION, sk=f"{rules.version:06d}", rules=rules, published_by=staff_id)
        try:
            item.save(condition=RuleItem.pk.does_not_exist())
        except Exception as error:
            if condition_failed(error):
                raise VersionTakenError from error
            raise
