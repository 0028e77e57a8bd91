"""A Merkle log for tests: leaves that are made up, a bucket and a key such as the template makes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from fenxiao.aws.clients import client
from fenxiao.ledger.evidence import Checkpoint, parse_checkpoint
from fenxiao.ledger.log_store import LogKey, LogStore
from fenxiao.ledger.merkle import EMPTY_ROOT, leaf_hash, node_hash
from fenxiao.ledger.seal import Mismatch, Sealer
from tests.support.tables import template

SEALING = datetime(2026, 3, 1, 16, 20, tzinfo=UTC)
"""When the schedule seals, 00:20 of the next day in Shanghai."""


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962's definition of the root, word for word, over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return node_hash(naive_root(leaves[:left]), naive_root(leaves[left:]))


def naive_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962's definition of PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    if index < left:
        return [*naive_inclusion(index, leaves[:left]), naive_root(leaves[left:])]
    return [*naive_inclusion(index - left, leaves[left:]), naive_root(leaves[:left])]


def naive_consistency(old_size: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962's definition of SUBPROOF(m, D[n], b)."""
    if old_size == len(leaves):
        return [] if whole else [naive_root(leaves)]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    if old_size <= left:
        return [*naive_consistency(old_size, leaves[:left], whole=whole), naive_root(leaves[left:])]
    return [*naive_consistency(old_size - left, leaves[left:], whole=False), naive_root(leaves[:left])]


def made_up_leaves(count: int) -> list[bytes]:
    """So many leaf hashes."""
    return [leaf_hash(str(number).encode()) for number in range(count)]


@dataclass
class FakeLeaves:
    """What the projection wrote: leaf hashes, cut into batches at these indexes."""

    hashes: list[bytes] = field(default_factory=list)
    cuts: list[int] = field(default_factory=lambda: [0])

    def add(self, count: int) -> None:
        """Write one more batch."""
        self.hashes = made_up_leaves(len(self.hashes) + count)
        self.cuts.append(len(self.hashes))

    def log_size(self) -> int:
        return len(self.hashes)

    def leaves(self, first: int, limit: int) -> Iterator[tuple[int, bytes]]:
        batches = [(start, end) for start, end in pairwise(self.cuts) if start >= first]
        for start, end in batches[:limit]:
            yield start, b"".join(self.hashes[start:end])


@dataclass
class ManualClock:
    """A clock that stands."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


class SealedWorld:
    """A log that grows and is sealed day by day, on the engine that is at hand."""

    def __init__(self, bucket: str) -> None:
        """Make the bucket and a key."""
        create_bucket(bucket)
        self.bucket = bucket
        self.leaves = FakeLeaves()
        self.clock = ManualClock(SEALING)
        self.store = LogStore(bucket)
        self.key = LogKey(create_key())
        self.mismatches: list[Mismatch] = []

    def sealer(self) -> Sealer:
        return Sealer(self.leaves, self.store, self.key, self.clock, self.mismatches.append)

    def seal(self) -> int | None:
        """Run the schedule."""
        return self.sealer().seal()

    def next_day(self) -> None:
        self.clock.moment += timedelta(days=1)

    def checkpoint(self) -> Checkpoint:
        """What was signed last."""
        latest = self.store.latest()
        assert latest is not None
        return parse_checkpoint(latest[1].text)

    def objects(self) -> dict[str, list[bytes]]:
        """Every version of every object, by name."""
        found: dict[str, list[bytes]] = {}
        s3 = client("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            assert not page.get("DeleteMarkers")
            for one in page.get("Versions", []):
                answer = s3.get_object(Bucket=self.bucket, Key=one["Key"], VersionId=one["VersionId"])
                found.setdefault(one["Key"], []).append(answer["Body"].read())
        return found

    def overwrite(self, name: str, content: bytes) -> None:
        """Do what the bucket's policy denies to everybody."""
        client("s3").put_object(Bucket=self.bucket, Key=name, Body=content)


def bucket_properties() -> dict[str, Any]:
    """What the template says of the bucket."""
    properties: dict[str, Any] = template()["Resources"]["EvidenceBucket"]["Properties"]
    return properties


def create_bucket(name: str) -> None:
    """Make the bucket as the template does."""
    properties = bucket_properties()
    client("s3").create_bucket(Bucket=name, ObjectLockEnabledForBucket=properties["ObjectLockEnabled"])
    client("s3").put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration=properties["ObjectLockConfiguration"]
    )


def create_key() -> str:
    """Make a key as the template does; return its ARN."""
    properties = template()["Resources"]["EvidenceKey"]["Properties"]
    created = client("kms").create_key(KeySpec=properties["KeySpec"], KeyUsage=properties["KeyUsage"])
    return str(created["KeyMetadata"]["Arn"])
