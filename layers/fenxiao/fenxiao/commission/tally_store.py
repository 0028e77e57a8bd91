"""What the tasks of a simulation hand on, in S3 (`LAKE_BUCKET`): `simulations/<id>/`.

`batches.json` says which days make up which task's batch; `tallies/<batch>-<days>` is what a task has counted.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import msgspec
from msgspec import Struct

from fenxiao.aws.clients import client
from fenxiao.commission.lake import LakeDay
from fenxiao.commission.simulate import Tally

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Tally)


class Batch(Struct, frozen=True, kw_only=True):
    """What one task counts: the orders of some consecutive days of a simulation."""

    simulation_id: str
    number: int
    from_day: date
    to_day: date
    """Inclusive. The batches of a simulation cover all its days, those without orders too."""
    lake_days: tuple[LakeDay, ...]

    @property
    def days(self) -> int:
        """Return how many days it covers."""
        return days_between(self.from_day, self.to_day)

    @property
    def tally_key(self) -> str:
        """Return where its tally is kept."""
        return f"{_tallies(self.simulation_id)}{self.number:06d}-{self.days}"


class TallyStore(Struct, frozen=True):
    """Batches and tallies."""

    bucket: str

    def put_batches(self, simulation_id: str, batches: Sequence[Batch]) -> str:
        """Write the batches as a JSON array, and return its key."""
        key = f"simulations/{simulation_id}/batches.json"
        client("s3").put_object(Bucket=self.bucket, Key=key, Body=msgspec.json.encode(batches))
        return key

    def put(self, batch: Batch, tally: Tally) -> None:
        """Write what a batch amounts to."""
        client("s3").put_object(Bucket=self.bucket, Key=batch.tally_key, Body=_encoder.encode(tally))

    def done_days(self, simulation_id: str) -> int:
        """Return how many days the batches cover that are counted."""
        return sum(int(key.rpartition("-")[2]) for key in self._keys(simulation_id))

    def tallies(self, simulation_id: str) -> Iterator[Tally]:
        """Yield what was counted, batch by batch."""
        for key in self._keys(simulation_id):
            answer = client("s3").get_object(Bucket=self.bucket, Key=key)
            yield _decoder.decode(answer["Body"].read())

    def clear(self, simulation_id: str) -> None:
        """Remove the tallies of an attempt that did not come to its end."""
        for key in self._keys(simulation_id):
            client("s3").delete_object(Bucket=self.bucket, Key=key)

    def _keys(self, simulation_id: str) -> list[str]:
        pages = (
            client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=_tallies(simulation_id))
        )
        return [found["Key"] for page in pages for found in page.get("Contents", [])]


def days_between(from_day: date, to_day: date) -> int:
    """Return how many days a period has, both ends included."""
    return (to_day - from_day).days + 1


def _tallies(simulation_id: str) -> str:
    return f"simulations/{simulation_id}/tallies/"
