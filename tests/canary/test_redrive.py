"""Parked records go to their functions again, and stay where a function does not take them."""

import json

from infra.local.redrive import redrive
from tests.canary.conftest import Canary


def park(canary: Canary, record: dict[str, object]) -> None:
    body = {"function": canary.outputs["FunctionName"], "reason": "for the test", "record": record}
    canary.emulator.client("sqs").send_message(QueueUrl=canary.outputs["ParkedQueueUrls"], MessageBody=json.dumps(body))


def parked(canary: Canary) -> int:
    """How many records are parked, those included that are hidden for now."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = canary.emulator.client("sqs").get_queue_attributes(
        QueueUrl=canary.outputs["ParkedQueueUrls"], AttributeNames=names
    )
    return sum(int(answer["Attributes"][name]) for name in names)


def test_taken_record_leaves_the_queue_and_a_refused_one_stays(canary: Canary) -> None:
    park(canary, {"action": "silent"})
    park(canary, {"action": "fail"})
    park(canary, {"action": "silent"})

    failed = redrive(canary.emulator.client, "canary")

    assert (failed, parked(canary)) == (1, 1)
