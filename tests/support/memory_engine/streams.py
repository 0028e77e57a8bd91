"""What a table's stream tells of its changes, as Lambda hands it to a function."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.memory_engine.values import Item, weight

_REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Record:
    """One change of an item; sequence numbers grow over all tables, so they tell what came first."""

    table: str
    sequence: int
    at: float
    """Epoch seconds."""
    key_names: tuple[str, ...]
    old: Item | None
    new: Item | None

    @property
    def keys(self) -> Item:
        """Return the key of the item that changed."""
        item = self.new or self.old or {}
        return {name: item[name] for name in self.key_names}

    def for_lambda(self) -> dict[str, Any]:
        """Return the record in a Lambda event's form, with both images."""
        images = {"OldImage": self.old, "NewImage": self.new}
        present = {name: _in_json(image) for name, image in images.items() if image is not None}
        kind = "MODIFY" if len(present) > 1 else "INSERT" if self.new else "REMOVE"
        return {
            "eventID": f"{self.sequence:032x}",
            "eventName": kind,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": _REGION,
            "dynamodb": {
                "ApproximateCreationDateTime": int(self.at),
                "Keys": _in_json(self.keys),
                **present,
                "SequenceNumber": f"{self.sequence:021d}",
                "SizeBytes": weight(self.keys) + weight(self.old or {}) + weight(self.new or {}),
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": f"arn:aws:dynamodb:{_REGION}:000000000000:table/{self.table}/stream/2026-01-01",
        }


def stream_event(records: Sequence[Record]) -> dict[str, Any]:
    """Return the event that brings these records to a function."""
    return {"Records": [record.for_lambda() for record in records]}


def _in_json(image: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """JSON has no bytes: binary values come in base 64."""
    return {
        name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else dict(value)
        for name, value in image.items()
    }
